/** Where this file is, to find the page's parts beside it. `location.cjs.ts` takes its place in the CommonJS build. */
export const LOCATION: string = import.meta.url;
