/** Keyed by major version, so that incompatible copies of the package stay apart. */
const REGISTRY = Symbol.for('nestjs-posthog-capture@0');

/**
 * Returns the value that the first caller in this process created under `name`, so that it exists once even where the package is
 * loaded twice, as ESM and as CommonJS.
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

/**
 * Returns the one class of this process that is exported under `name`, an injection token. Nest's messages show the `name` of a class,
 * which must be the exported name and not that of the declaration.
 *
 * ```ts
 * class TrackerClass { … }
 * export const Tracker = processClass('Tracker', TrackerClass);
 * export interface Tracker extends TrackerClass {}
 * ```
 */
export function processClass<T extends abstract new (...args: never) => object>(name: string, declared: T): T {
  return processSingleton(name, () => Object.defineProperty(declared, 'name', { value: name, configurable: true }));
}
