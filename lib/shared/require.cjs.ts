/** Loads an optional package. */
export const requirePackage: (name: string) => unknown = require;
