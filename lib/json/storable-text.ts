/** Surrogates without their other half (the `u` flag takes a pair for one character), and NUL. */
const UNFIT = /[\p{Surrogate}\0]+/gu;
/** Quick to rule out, as nearly every text is of other characters only. */
const SUSPICIOUS = /[\ud800-\udfff\0]/;
const REPLACEMENT = '\uFFFD';

/** A text as PostHog takes and stores it: each lone surrogate, for which it refuses a whole request, and each NUL is U+FFFD. */
export function storable(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  return text.replace(UNFIT, (unfit) => REPLACEMENT.repeat(unfit.length));
}
