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

/** The time takes 48 of the 128 bits. */
const RANDOM_BYTES = 10;
/** What follows the time: `7` is the version, the two highest bits of `y` are 10. */
const TAIL = '7xxx-yxxx-xxxxxxxxxxxx';
const POOL_SIZE = 1024;
const DIGITS = Buffer.from('0123456789abcdef');
const DASH = '-'.charCodeAt(0);

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
    this.#used += TAIL.length;
    return this.#head + this.#tails.slice(at, this.#used);
  }

  #refill(): void {
    const random = randomBytes(POOL_SIZE * RANDOM_BYTES);
    const tails = Buffer.allocUnsafe(POOL_SIZE * TAIL.length);
    let end = 0;
    const write = (digit: number): void => void (tails[end++] = DIGITS[digit] ?? 0);
    for (let at = 0; at < random.length; at += 1) {
      const place = at % RANDOM_BYTES;
      const byte = random[at] ?? 0;
      if (place === 2 || place === 4) tails[end++] = DASH;
      // The first digit of these is not random, or only half of it.
      if (place === 0) write(7);
      else if (place === 2) write(8 + ((byte >> 4) & 3));
      else write(byte >> 4);
      write(byte & 15);
    }
    this.#tails = tails.toString('latin1');
    this.#used = 0;
  }
}
