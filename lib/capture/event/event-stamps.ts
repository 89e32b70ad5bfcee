import { randomBytes } from 'node:crypto';

/** Bytes of a uuid after its time, which takes 48 of the 128 bits. */
const RANDOM_BYTES = 10;
/** The part after the time: `7` is the version, the two highest bits of `y` are 10. */
const TAIL = '7xxx-yxxx-xxxxxxxxxxxx';
const POOL_SIZE = 1024;
const DIGITS = Buffer.from('0123456789abcdef');
const DASH = '-'.charCodeAt(0);

/** Generates uuids of version 7 (RFC 9562), which begin with the time and so sort by it. */
export class UuidSource {
  /** The parts after the time of many uuids as one string: randomBytes() and joining strings cost far more than a slice. */
  #tails = '';
  #used = 0;
  #head = '';
  #headOf = -1;

  /** @param now epoch milliseconds */
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
      // The first digit of these is the version or has the variant's two bits.
      if (place === 0) write(7);
      else if (place === 2) write(8 + ((byte >> 4) & 3));
      else write(byte >> 4);
      write(byte & 15);
    }
    this.#tails = tails.toString('latin1');
    this.#used = 0;
  }
}

/** Copies a uuid: a slice of a larger string keeps all of that in memory. */
export const ownText = (uuid: string): string => Buffer.from(uuid, 'latin1').toString('latin1');

/** Writes times as RFC 3339 in UTC, with milliseconds. Caches the last: many events fall into one millisecond, and formatting is expensive. */
export class IsoClock {
  #moment = NaN;
  #text = '';

  /** @param moment epoch milliseconds */
  at(moment: number): string {
    if (moment !== this.#moment) {
      this.#text = new Date(moment).toISOString();
      this.#moment = moment;
    }
    return this.#text;
  }
}
