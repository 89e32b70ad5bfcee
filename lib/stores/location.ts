/** Location of this file, to resolve packages from. The CommonJS build uses `location.cjs.ts` instead. */
export const LOCATION: string = import.meta.url;
