/** Opens a client by its name: `open(options)` gives `capture(n)`, `room()`, `drain()` and `close()`. */
export async function openClient({ name, ...options }) {
  const { open } = await import(`./${name}.mjs`);
  return open(options);
}
