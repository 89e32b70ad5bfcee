import { randomFillSync } from 'node:crypto';

const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The uuid that a text stands for, in lower case; null when it stands for none. */
export function uuidOf(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const text = value.trim().toLowerCase();
  return TEXT.test(text) ? text : null;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const hex = (byte: number): string => HEX[byte & 0xff] ?? '00';
const RANDOM_BYTES = 10;
const POOL_BYTES = 256 * RANDOM_BYTES;

/** Makes uuids of version 7 (RFC 9562): they begin with the time, so that they sort by it. */
export class UuidSource {
  readonly #pool = new Uint8Array(POOL_BYTES);
  #used = POOL_BYTES;

  next(): string {
    if (this.#used === POOL_BYTES) {
      // One call for many ids: asking the system for randomness costs far more than the ids.
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const pool = this.#pool;
    const at = this.#used;
    this.#used += RANDOM_BYTES;
    const random = (index: number): number => pool[at + index] ?? 0;
    const now = Date.now();
    const high = Math.floor(now / 0x1_0000);
    return (
      `${hex(high >>> 24)}${hex(high >>> 16)}${hex(high >>> 8)}${hex(high)}-${hex(now / 0x100)}${hex(now)}-` +
      `7${hex(random(0)).charAt(1)}${hex(random(1))}-${hex(0x80 | (random(2) & 0x3f))}${hex(random(3))}-` +
      `${hex(random(4))}${hex(random(5))}${hex(random(6))}${hex(random(7))}${hex(random(8))}${hex(random(9))}`
    );
  }
}
