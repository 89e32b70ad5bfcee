// A part of an application with an outbox, for tests that kill its process. Arguments: the folder of the compiled library, a role, the dialect,
// options of a pool of pg or mysql2, and options of the module as JSON. Roles:
// `writers`: writes orders with their events until SIGTERM, in four loops, with random delays before the COMMIT, and rolls some back.
// `inserted`, `committed`: writes one order, prints a line before or after the COMMIT, and waits.
// `relay`: sends the events.
import { writeSync } from 'node:fs';
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import mysql from 'mysql2/promise';
import pg from 'pg';

const [, , lib, role, dialect, database, json] = process.argv;
const { CaptureService, PostHogCaptureModule } = await import(`${lib}/index.js`);
const { CaptureOutbox, PostHogOutboxModule, sqlOutbox } = await import(`${lib}/outbox/index.js`);

function openPostgres(connection) {
  const pool = new pg.Pool(connection);
  pool.on('error', () => undefined);
  // Of connections in use: their statements fail as well.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return {
    pool,
    connect: () => pool.connect(),
    insert: 'INSERT INTO orders (uuid) VALUES ($1)',
    close: (client) => client.release(true),
  };
}

function openMysql(connection) {
  const pool = mysql.createPool(connection);
  return {
    pool,
    connect: () => pool.getConnection(),
    insert: 'INSERT INTO orders (uuid) VALUES (?)',
    close: (client) => client.destroy(),
  };
}

const open = dialect === 'postgres' ? openPostgres : openMysql;
const { pool, connect, insert, close } = open(JSON.parse(database));
const say = (line) => writeSync(1, `${line}\n`);
const options = {
  ...JSON.parse(json),
  logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
};
const LOOPS = 4;

async function relay() {
  const { PostHogRelayModule } = await import(`${lib}/relay/index.js`);
  const source = sqlOutbox({ run: pool, dialect });
  const app = await NestFactory.createApplicationContext(PostHogRelayModule.forRoot({ ...options, source }), {
    logger: false,
  });
  process.once('SIGTERM', () => {
    void app.close().then(() => pool.end());
  });
  say('ready');
}

async function openWriter() {
  class Writer {}
  Module({
    imports: [PostHogCaptureModule.forRoot(options), PostHogOutboxModule.forRoot({ dialect })],
  })(Writer);
  const app = await NestFactory.createApplicationContext(Writer, { logger: false });
  const [capture, outbox] = [app.get(CaptureService), app.get(CaptureOutbox)];
  /** Writes an order with its events. `end` runs before the COMMIT, and tells whether to commit. */
  const write = async (person, order, end) => {
    // While the database is down, there is no order.
    const client = await connect().catch(() => null);
    if (!client) return;
    try {
      await client.query('BEGIN');
      await outbox.run(client, async () => {
        const uuids = Array.from({ length: 1 + (order % 3) }, (_, index) =>
          capture.capture({ event: 'order', distinctId: person, properties: { order, index } }),
        );
        for (const uuid of uuids) await client.query(insert, [uuid]);
      });
      await client.query((await end()) ? 'COMMIT' : 'ROLLBACK');
      client.release();
    } catch {
      close(client);
    }
  };
  return { app, write };
}

async function writers() {
  const { app, write } = await openWriter();
  let isEnding = false;
  process.once('SIGTERM', () => {
    isEnding = true;
  });
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const loop = async (person) => {
    for (let order = 1; !isEnding; order += 1) {
      await write(person, order, async () => {
        await pause(Math.random() * 40);
        return order % 5 !== 0;
      });
      await pause(5);
    }
  };
  say('ready');
  await Promise.all(Array.from({ length: LOOPS }, (_, index) => loop(`person_${process.pid}_${index}`)));
  await app.close();
  await pool.end();
}

async function waitingWriter() {
  const { write } = await openWriter();
  const never = new Promise(() => setInterval(() => undefined, 60_000));
  await write(`person_${process.pid}`, 1, async () => {
    if (role === 'inserted') {
      say('inserted');
      await never;
    }
    return true;
  });
  say('committed');
  await never;
}

await (role === 'relay' ? relay() : role === 'writers' ? writers() : waitingWriter());
