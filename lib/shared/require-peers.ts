/** Node's own error names a package that is missing. `require-peers.cjs.ts` takes the place of this file in the CommonJS build. */
export {};
