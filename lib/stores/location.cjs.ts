/** Where this file is, to find packages from: what `location.ts` says in the CommonJS build. */
export const LOCATION: string = __filename;
