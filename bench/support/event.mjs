// The event that every client sends: about 600 bytes of JSON on the wire, twelve properties, one of ten thousand persons.
// `seq` tells the events apart, so that the server can say whether each of them arrived once.

/** Events of one person are never in two requests at once, so a client that keeps that needs more persons than open requests hold events. */
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

/** Who does it: ready-made texts, as an application has them from its session. */
const persons = Array.from({ length: PERSONS }, (_, index) => `user_${String(index).padStart(6, '0')}`);
export const personOf = (n) => persons[(n * 7919) % PERSONS];

/** 32 bits that look random, the same for the same number: xorshift, after a multiplication that spreads small numbers. */
function noiseOf(n) {
  let x = Math.imul(n + 1, 0x9e3779b1);
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x >>> 0;
}

const pick = (list, noise) => list[noise % list.length];

/** Texts are ready-made, as an application has most of its own; so making an event costs next to nothing beside sending it. */
const TEXTS = 4096;
const texts = (begin, make) =>
  Array.from({ length: TEXTS }, (_, index) => `${begin}${make(noiseOf(index + begin.length * TEXTS))}`);
const longHex = (noise) => `${noise.toString(16)}${noiseOf(noise).toString(16)}${noiseOf(~noise).toString(16)}`;
const orderIds = texts('ord_', longHex);
const sessionIds = texts('session_', longHex);
const products = texts('', (noise) =>
  Array.from({ length: 7 }, (_, word) => pick(WORDS, noiseOf(noise + word))).join(' '),
);

/** What happened, made anew for each event, as an application does. */
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

/** For clients that make uuids and times of their own. */
export const eventOf = (n) => ({ event: EVENT_NAME, distinctId: personOf(n), properties: propertiesOf(n) });
