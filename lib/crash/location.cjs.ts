/** Replaces `location.ts` in the CommonJS build. */
export const LOCATION: string = __filename;
