/** Location of this file, to find `page/` next to it. The CommonJS build uses `location.cjs.ts` instead. */
export const LOCATION: string = import.meta.url;
