// The event that every client sends: about 600 bytes of JSON, twelve properties, one of ten thousand people. `seq` identifies the event,
// so that the server can check that each one arrived once.

/** A client that never sends one person's events in two concurrent requests needs more people than events in flight. */
const PERSONS = Number(process.env.BENCH_PERSONS ?? 10_000);
const PLANS = ['free', 'starter', 'team', 'business', 'enterprise'];
const PATHS = ['/', '/cart', '/checkout', '/orders', '/products/blue-teapot', '/products/garden-chair', '/sale'];
const REFERRERS = ['https://www.example.org/', 'https://news.example.com/tea', 'https://search.example.net/?q=teapot'];
const WORDS = (
  'amber anchor apron basket beacon bottle bucket candle canvas carpet cedar copper cotton drawer easel enamel ferry flannel ' +
  'garden ginger hammer hollow indigo island jacket jigsaw kettle kiosk ladder lantern linen marble mirror mustard napkin needle ' +
  'orchard oyster paddle pebble pepper pillow quartz quiver ribbon saddle saffron shutter silver spindle teapot timber trellis ' +
  'umber velvet violet walnut willow window yarrow zephyr zinc'
).split(' ');

export const EVENT_NAME = 'order_placed';

/** Distinct ids, created in advance, as an application reads them from a session. */
const persons = Array.from({ length: PERSONS }, (_, index) => `user_${String(index).padStart(6, '0')}`);
export const personOf = (n) => persons[(n * 7919) % PERSONS];

/** Deterministic 32-bit noise for a number: xorshift after a multiplication that spreads small numbers. */
function noiseOf(n) {
  let x = Math.imul(n + 1, 0x9e3779b1);
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x >>> 0;
}

const pick = (list, noise) => list[noise % list.length];

/** Strings are created in advance, so that creating an event costs almost nothing compared with sending it. */
const TEXTS = 4096;
const texts = (begin, make) =>
  Array.from({ length: TEXTS }, (_, index) => `${begin}${make(noiseOf(index + begin.length * TEXTS))}`);
const longHex = (noise) => `${noise.toString(16)}${noiseOf(noise).toString(16)}${noiseOf(~noise).toString(16)}`;
const orderIds = texts('ord_', longHex);
const sessionIds = texts('session_', longHex);
const products = texts('', (noise) =>
  Array.from({ length: 7 }, (_, word) => pick(WORDS, noiseOf(noise + word))).join(' '),
);

/** A new properties object for each event, as in an application. */
export function propertiesOf(n) {
  const noise = noiseOf(n);
  return {
    seq: n,
    order_id: pick(orderIds, noise),
    plan: pick(PLANS, noise),
    product: pick(products, noise >>> 5),
    amount: (noise % 100_000) / 100,
    currency: 'EUR',
    items: (noise % 7) + 1,
    is_first_order: noise % 11 === 0,
    path: pick(PATHS, noise),
    referrer: pick(REFERRERS, noise),
    session_id: pick(sessionIds, noise >>> 9),
    app_version: '2026.11.3-stable',
  };
}

/** For clients that create uuids and timestamps themselves. */
export const eventOf = (n) => ({ event: EVENT_NAME, distinctId: personOf(n), properties: propertiesOf(n) });
