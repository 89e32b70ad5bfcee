/**
 * Things that must exist once per process even when the package is loaded twice (as ESM and as CommonJS):
 * the class that is an injection token, and the AsyncLocalStorage that says who is acting. A symbol alone
 * could not stand for an injected class. Keyed by major version, so that incompatible copies stay apart.
 */
const REGISTRY = Symbol.for('nestjs-posthog-capture@0');

/**
 * Returns what the first caller in this process created under `name`.
 *
 * @param name unique within the package
 * @param create called at most once per process
 */
export function processSingleton<T>(name: string, create: () => T): T {
  const scope = globalThis as { [REGISTRY]?: Map<string, unknown> };
  const registry = (scope[REGISTRY] ??= new Map<string, unknown>());
  if (!registry.has(name)) registry.set(name, create());
  return registry.get(name) as T;
}
