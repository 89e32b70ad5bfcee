/** Lone surrogates (the `u` flag treats a pair as one character) and NUL. */
const UNFIT = /[\p{Surrogate}\0]+/gu;
/** A faster test that nearly every string passes. */
const SUSPICIOUS = /[\ud800-\udfff\0]/;
const REPLACEMENT = '\uFFFD';

/** The string as PostHog stores it: U+FFFD for each NUL, and for each lone surrogate, with which it would refuse a whole request. */
export function storable(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  return text.replace(UNFIT, (unfit) => REPLACEMENT.repeat(unfit.length));
}
