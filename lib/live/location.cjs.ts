/** Where this file is, to find the page's parts beside it: what `location.ts` says in the CommonJS build. */
export const LOCATION: string = __filename;
