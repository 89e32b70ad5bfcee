// The server: responds after the given latency and reports the received events later. It stores request bodies unread and parses them on
// request, so that parsing takes no CPU time from the measured client.
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { serve } from '../support/processes.mjs';

const V1_PATH = '/i/v1/analytics/events';
const SEQ = /"seq":(\d+)/g;
const UUID = /"uuid":"([0-9a-f-]{36})"/g;

let latencyMs = 0;
/** Parses bodies immediately, because they would not fit in memory. */
let readsAtOnce = false;
/** How often each event has arrived, by `seq`. */
let arrived = new Uint8Array(0);
let kept = [];
let counts;
/** Requests without a response. */
let open = 0;

function reset(expected = {}) {
  ({ latencyMs = 0, readsAtOnce = false } = expected);
  arrived = new Uint8Array(expected.count ?? 0);
  kept = [];
  counts = { requests: 0, atOnce: 0, events: 0, strange: 0, jsonBytes: 0, wireBytes: 0 };
}

const textOf = ({ body, isZipped }) => (isZipped ? gunzipSync(body) : body).toString('utf8');

function read(request) {
  const text = textOf(request);
  counts.jsonBytes += Buffer.byteLength(text);
  for (const [, digits] of text.matchAll(SEQ)) {
    const n = Number(digits);
    counts.events += 1;
    if (n < arrived.length) arrived[n] += 1;
    else counts.strange += 1;
  }
}

/** PostHog's response: for the batch, or for each event. */
function answerTo(path, request) {
  if (path !== V1_PATH) return '{"status":"Ok"}';
  const results = Array.from(textOf(request).matchAll(UUID), ([, uuid]) => `"${uuid}":{"result":"ok"}`);
  return `{"results":{${results.join(',')}}}`;
}

const server = createServer((message, response) => {
  const chunks = [];
  message.on('data', (chunk) => chunks.push(chunk));
  message.on('end', () => {
    const request = { body: Buffer.concat(chunks), isZipped: message.headers['content-encoding'] === 'gzip' };
    const answer = answerTo(message.url, request);
    counts.requests += 1;
    open += 1;
    counts.atOnce = Math.max(counts.atOnce, open);
    counts.wireBytes += request.body.length;
    const send = () => {
      open -= 1;
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(answer) });
      response.end(answer);
    };
    if (latencyMs > 0) setTimeout(send, latencyMs);
    else send();
    if (readsAtOnce) read(request);
    else kept.push(request);
  });
});
server.keepAliveTimeout = 60_000;
reset();

serve({
  start: () =>
    new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`));
    }),
  /** Resets, and expects the events from 0 to `count`. */
  reset,
  /** Counts since the last reset. */
  report() {
    for (const request of kept.splice(0)) read(request);
    let missing = 0;
    let repeated = 0;
    for (const times of arrived) {
      if (times === 0) missing += 1;
      else repeated += times - 1;
    }
    return { ...counts, missing, repeated };
  },
});
