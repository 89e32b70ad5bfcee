import { randomBytes } from 'node:crypto';

const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The uuid that a text stands for, in lower case; null when it stands for none. */
export function uuidOf(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const text = value.trim().toLowerCase();
  return TEXT.test(text) ? text : null;
}

/** The same text in memory of its own: a part of a larger one keeps all of that. */
export const ownText = (uuid: string): string => Buffer.from(uuid, 'latin1').toString('latin1');

const RANDOM_BYTES = 10;
const HEX_DIGITS = 2 * RANDOM_BYTES;
const TAIL_LENGTH = '7xxx-xxxx-xxxxxxxxxxxx'.length;
const POOL_SIZE = 256;
/** The two bits of the variant are 10: what remains of a digit that holds them. */
const VARIANTS = '89ab';

/** Makes uuids of version 7 (RFC 9562): they begin with the time, so that they sort by it. */
export class UuidSource {
  /** What follows the time, of many uuids as one text: asking the system for randomness and joining texts cost far more than a slice. */
  #tails = '';
  #used = 0;
  #head = '';
  #headOf = -1;

  /** @param now milliseconds since 1970 */
  next(now: number): string {
    if (this.#used === this.#tails.length) this.#refill();
    if (now !== this.#headOf) {
      const time = now.toString(16).padStart(12, '0');
      this.#head = `${time.slice(0, 8)}-${time.slice(8)}-`;
      this.#headOf = now;
    }
    const at = this.#used;
    this.#used += TAIL_LENGTH;
    return this.#head + this.#tails.slice(at, this.#used);
  }

  #refill(): void {
    const random = randomBytes(POOL_SIZE * RANDOM_BYTES).toString('hex');
    let tails = '';
    for (let at = 0; at < random.length; at += HEX_DIGITS) {
      const digits = random.slice(at, at + HEX_DIGITS);
      const variant = VARIANTS.charAt(Number.parseInt(digits.charAt(3), 16) & 3);
      tails += `7${digits.slice(0, 3)}-${variant}${digits.slice(4, 7)}-${digits.slice(8)}`;
    }
    this.#tails = tails;
    this.#used = 0;
  }
}
