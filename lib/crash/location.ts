/** Location of this file, to find `crash-sender.js` next to it. The CommonJS build uses `location.cjs.ts` instead. */
export const LOCATION: string = import.meta.url;
