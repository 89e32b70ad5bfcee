import { createRequire } from 'node:module';

/** Loads an optional package, which is CommonJS. */
export const requirePackage: (name: string) => unknown = createRequire(import.meta.url);
