/** Clients by name: `open(options)` returns `capture(n)`, `room()`, `drain()` and `close()`. */
export async function openClient({ name, ...options }) {
  const { open } = await import(`./${name}.mjs`);
  return open(options);
}
