// Transactions with an outbox, and its relay, in a process of their own.
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import pg from 'pg';
import { age } from '../support/age.mjs';
import { eventOf } from '../support/event.mjs';
import { serve } from '../support/processes.mjs';

const DIST = '../../dist/esm';
const API_KEY = 'phc_bench';
const INSERT = 'INSERT INTO posthog_outbox (project, uuid, name, order_key, format, payload, captured_at) VALUES ';

const { CaptureService, getCaptureToken, PostHogCaptureModule } = await import(`${DIST}/index.js`);
const { CaptureOutbox, PostHogOutboxModule, sqlOutbox } = await import(`${DIST}/outbox/index.js`);
const { PostHogRelayModule } = await import(`${DIST}/relay/index.js`);

let pool;
let client;
let settings;
let outbox;
let capture;

function cpuUs() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const order = (n) => client.query('INSERT INTO orders (id) VALUES ($1)', [n]);

/** The same rows, written by hand: an event is an object that is stringified, and its row has no other cost. */
async function byHand(n, events) {
  await client.query('BEGIN');
  await order(n);
  if (events > 0) {
    const values = [];
    const places = [];
    for (let index = 0; index < events; index += 1) {
      const { event, distinctId, properties } = eventOf(n + index);
      const uuid = randomUUID();
      const timestamp = new Date().toISOString();
      const payload = JSON.stringify({ event, distinct_id: distinctId, properties, timestamp, uuid });
      const from = values.length;
      places.push(`($${from + 1}, $${from + 2}, $${from + 3}, $${from + 4}, $${from + 5}, $${from + 6}, $${from + 7})`);
      values.push('bench', uuid, event, distinctId, 'v0', payload, Date.now());
    }
    await client.query(INSERT + places.join(', '), values);
  }
  await client.query('COMMIT');
}

async function withOutbox(n, events, from = n) {
  await client.query('BEGIN');
  await outbox.run(client, async () => {
    await order(n);
    for (let index = 0; index < events; index += 1) capture.capture(eventOf(from + index));
  });
  await client.query('COMMIT');
}

const WAYS = { byHand, withOutbox };
let orders = 0;

serve({
  async open({ url, connection }) {
    await age();
    settings = { apiKey: API_KEY, host: url };
    pool = new pg.Pool(connection);
    client = await pool.connect();
    class Application {}
    Module({
      imports: [PostHogCaptureModule.forRoot(settings), PostHogOutboxModule.forRoot({ dialect: 'postgres' })],
    })(Application);
    const app = await NestFactory.createApplicationContext(Application, { logger: false });
    [capture, outbox] = [app.get(CaptureService), app.get(CaptureOutbox)];
  },
  /** CPU of this process per transaction, in microseconds. */
  async transactions({ way, count, events }) {
    const cpu = cpuUs();
    for (let done = 0; done < count; done += 1) await WAYS[way]((orders += 10), events);
    return (cpuUs() - cpu) / count;
  },
  async clear() {
    await client.query('TRUNCATE posthog_outbox, orders');
  },
  /** Fills the outbox, in transactions of a hundred events. */
  async fill({ count }) {
    for (let done = 0; done < count; done += 100) await withOutbox((orders += 10), 100, done);
  },
  /** Sends everything in the outbox. Per event. */
  async relay({ count }) {
    const source = sqlOutbox({ run: pool, dialect: 'postgres' });
    const cpu = cpuUs();
    const startedAt = performance.now();
    let delivered = 0;
    let app;
    await new Promise((resolve, reject) => {
      const onDelivery = ({ uuids }) => {
        delivered += uuids.length;
        if (delivered >= count) resolve();
      };
      const module = PostHogRelayModule.forRoot({ ...settings, source, onDelivery });
      NestFactory.createApplicationContext(module, { logger: false }).then((created) => (app = created), reject);
    });
    const result = { cpuUs: (cpuUs() - cpu) / count, perSecond: (count * 1000) / (performance.now() - startedAt) };
    const { delivered: all } = app.get(getCaptureToken('relay')).stats();
    await app.close();
    if (all !== count) throw new Error(`the relay delivered ${all} of ${count} events`);
    return result;
  },
});
