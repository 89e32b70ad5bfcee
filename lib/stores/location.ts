/** Where this file is, to find packages from. `location.cjs.ts` takes its place in the CommonJS build. */
export const LOCATION: string = import.meta.url;
