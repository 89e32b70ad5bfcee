// The floor: the minimal cost of delivering events. Serialized once, in batches of a hundred, gzipped in the thread pool, posted over
// keep-alive with Node's own client. No validation, context, retries, limits or accounting.
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { gzip } from 'node:zlib';
import { EVENT_NAME, personOf, propertiesOf } from '../support/event.mjs';
import { Progress } from './progress.mjs';

/** Uuids are created in advance, more than fit into the window of gzip. */
const READY_MADE = 1000;
/** Version 7, which begins with the time, so that they compress like those of the other clients. */
const readyMadeUuid = () =>
  randomUUID().replace(/^.{15}/, `${Date.now().toString(16).padStart(12, '0').replace(/^.{8}/, '$&-')}-7`);

/** Serializes events as this package sends them, so that both compress the same data. */
export function eventWriter(mode) {
  const uuids = Array.from({ length: READY_MADE }, readyMadeUuid);
  const times = uuids.map((_, index) => new Date(Date.now() + index).toISOString());
  return (n) => {
    const properties = propertiesOf(n);
    if (mode !== 'v1') {
      properties.$lib = 'nestjs-posthog-capture';
      properties.$lib_version = '0.1.0';
    }
    properties.$is_server = true;
    properties.$geoip_disable = true;
    const place = n % READY_MADE;
    const event = {
      event: EVENT_NAME,
      distinct_id: personOf(n),
      uuid: uuids[place],
      timestamp: times[place],
      properties,
    };
    return JSON.stringify(event);
  };
}

export function open({ url, mode, batch, connections = 4, window, level = 6 }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const isV1 = mode === 'v1';
  const textOf = eventWriter(mode);
  const path = isV1 ? '/i/v1/analytics/events' : '/batch/';
  const progress = new Progress();
  const ready = [];
  let texts = [];
  let pending = 0;
  let inFlight = 0;

  function cut() {
    if (texts.length > 0) ready.push(texts);
    texts = [];
  }

  function pump() {
    while (inFlight < connections && ready.length > 0) {
      inFlight += 1;
      send(ready.shift());
    }
  }

  function send(batchTexts) {
    const now = new Date().toISOString();
    const body = isV1
      ? `{"created_at":"${now}","batch":[${batchTexts.join(',')}]}`
      : `{"api_key":"phc_bench","batch":[${batchTexts.join(',')}],"sent_at":"${now}"}`;
    gzip(body, { level }, (error, data) => {
      if (error) throw error;
      const headers = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip', 'Content-Length': data.length };
      if (isV1) headers.Authorization = 'Bearer phc_bench';
      request(`${url}${path}`, { method: 'POST', agent, headers }, (response) => {
        response.resume();
        response.once('end', () => {
          inFlight -= 1;
          pending -= batchTexts.length;
          pump();
          progress.made();
        });
      }).end(data);
    });
  }

  return {
    capture(n) {
      pending += 1;
      if (texts.push(textOf(n)) === batch) {
        cut();
        pump();
      }
    },
    room: () => progress.until(() => pending < window),
    async drain() {
      cut();
      pump();
      await progress.until(() => pending === 0);
    },
    close: () => agent.destroy(),
  };
}
