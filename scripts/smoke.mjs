// Follows the first steps of a new user: starts the shop with `npm start`, in a fresh clone and here, sends the event with the printed
// command, looks for it on the events page, and runs the run job with its three results. Exits with 1 on the first failure.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './lib.mjs';

const PORT = process.env.PORT ?? '3917';
const DEADLINE_MS = 300_000;
/** A program that has not ended by then hangs. */
const PROGRAM_MS = 60_000;
const clean = { ...process.env };
delete clean.POSTHOG_API_KEY;
delete clean.POSTHOG_HOST;

await freshClone();
await shop(ROOT);
await everyTransport();
await exceptions();
await fleet();
await flags();
await typedEvents();
await outbox();
await runJob();
await program();
await plainScript();
console.log('smoke: the shop, the samples, the run job and the command line passed');

/** A clone of the committed files: installs only the packages of the quick start, and nothing on the second start. */
async function freshClone() {
  const folder = mkdtempSync(join(tmpdir(), 'posthog-capture-clone-'));
  try {
    execFileSync('git', ['clone', '--quiet', '--depth', '1', pathToFileURL(ROOT).href, folder]);
    const first = await shop(folder);
    const [, count] = /installing the (\d+) packages/.exec(first) ?? [];
    assert.ok(Number(count) > 0 && Number(count) < 200, first);
    assert.ok(!existsSync(join(folder, 'node_modules')), 'nothing else is installed');
    assert.doesNotMatch(await shop(folder), /installing|Compiling/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns the output of `npm start`. */
async function shop(cwd) {
  // Its own process group, so that its children are stopped with it.
  const child = spawn('npm', ['start', '--silent'], { cwd, env: { ...clean, PORT }, detached: true });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  try {
    const events = await until(() => /Events:\s+(\S+)/.exec(output)?.[1]);
    const base = `http://127.0.0.1:${PORT}`;
    const page = await (await fetch(base)).text();
    assert.ok(page.includes(events), 'the shop links to the events');
    const [, address, body] = await until(() => /curl -X POST (\S+) .* -d '(.*)'/.exec(output));
    const good = await post(address, JSON.parse(body));
    assert.equal(good.status, 200);
    assert.equal(await good.text(), '{"success":true,"event":"page_view","distinct_id":"user_123","error":null}');
    const stored = async () => (await fetch(new URL('/events', events))).text();
    assert.match(await stored(), /page_view/);
    const bad = await post(`${base}/capture`, { event: 'smoke_view' });
    assert.equal(bad.status, 400);
    assert.match(await bad.text(), /distinct_id/);
    assert.equal((await post(`${base}/orders`, { customer: 'user_9', product: 'tea', quantity: 2 })).status, 201);
    await until(async () => (await stored()).includes('order_placed'));
    return output;
  } catch (error) {
    console.error(output);
    throw error;
  } finally {
    const exited = once(child, 'exit');
    process.kill(-child.pid, 'SIGTERM');
    await exited;
  }
}

/** The sample 03-every-transport: an HTTP request that sends a message over TCP. */
async function everyTransport() {
  await sample('03-every-transport', /Events:\s+(\S+)/, async (stored) => {
    const order = await fetch(`http://127.0.0.1:${PORT}/messages/tea`, {
      method: 'POST',
      headers: { Authorization: 'Bearer ann@acme' },
    });
    assert.equal(await order.text(), '{"id":"tea","total":3}');
    await until(async () => /order_placed[^]*ann/.test(await stored()));
  });
}

/** The sample 04-exceptions: an error that ends the process, which is started again. */
async function exceptions() {
  await sample('04-exceptions', /Errors:\s+(\S+)/, async (stored) => {
    const send = (path) => fetch(`http://127.0.0.1:${PORT}${path}`, { method: 'POST', headers: { 'x-user': 'ann' } });
    const crash = await until(() => send('/crash').catch(() => undefined));
    assert.equal(crash.status, 201);
    const [error, requested] = await until(async () => {
      const events = JSON.parse(await stored());
      const found = ['$exception', 'crash_requested'].map((name) => events.find(({ event }) => event === name));
      return found.every(Boolean) && found;
    });
    assert.equal(error.properties.$exception_level, 'fatal');
    assert.deepEqual([error.distinct_id, requested.distinct_id], ['ann', 'ann']);
    assert.deepEqual(
      error.properties.$exception_steps.map(({ $message }) => $message),
      ['response sent', 'crash_requested'],
    );
    assert.equal((await until(() => send('/orders/1/payment').catch(() => undefined))).status, 201);
  });
}

/** The sample 05-fleet: a relay is killed, and every event of two pods arrives once. */
async function fleet() {
  await sample('05-fleet', /Events:\s+(\S+)/, async (stored, output) => {
    const order = (id) => fetch(`http://127.0.0.1:${Number(PORT) + (id % 2)}/orders/${id}`, { method: 'POST' });
    const ids = Array.from({ length: 200 }, (_, id) => id);
    for (const id of ids.slice(0, 2)) await until(() => order(id).catch(() => undefined));
    await Promise.all(ids.slice(2, 100).map(order));
    const [, relay] = /kill -9 (\d+)/.exec(output);
    process.kill(Number(relay), 'SIGKILL');
    await Promise.all(ids.slice(100).map(order));
    // As PostHog shows them: events that were sent twice are one row.
    const placed = async () => {
      const rows = new Map(JSON.parse(await stored()).map(({ uuid, properties }) => [uuid, properties.id]));
      return [...rows.values()].map(Number).sort((one, other) => one - other);
    };
    await until(async () => new Set(await placed()).size === ids.length);
    assert.deepEqual(await placed(), ids);
  });
}

/** The sample 06-flags: a guarded route, and the variant of an experiment on the events of a request and of its job. */
async function flags() {
  const act = async (stored) => {
    const send = async (method, path, user) => {
      const response = await fetch(`http://127.0.0.1:${PORT}${path}`, { method, headers: { 'x-user': user } });
      return [response.status, await response.text()];
    };
    assert.deepEqual(await send('GET', '/beta', 'ann'), [200, 'Welcome to the beta.']);
    assert.equal((await send('GET', '/beta', 'bob'))[0], 404);
    assert.deepEqual(await send('POST', '/orders', 'ann'), [201, '{"steps":1}']);
    const goals = ['order_placed', 'receipt_sent'];
    const found = await until(async () => {
      const events = JSON.parse(await stored()).filter(({ event }) => goals.includes(event));
      return events.length === goals.length && events;
    });
    assert.deepEqual(
      found.map(({ properties }) => properties['$feature/new-checkout']),
      ['one-page', 'one-page'],
    );
  };
  await sample('06-flags', /Events:\s+(\S+)/, act, { FLAGS_TIMEOUT_MS: '60000' });
}

/** The sample 08-outbox: the events of committed transactions arrive, and those of others do not. */
async function outbox() {
  await sample('08-outbox', /Events:\s+(\S+)/, async (stored) => {
    const send = async (path) => (await fetch(`http://127.0.0.1:${PORT}${path}`, { method: 'POST' })).status;
    await until(() => send('/orders/first').catch(() => undefined));
    const sent = await Promise.all(
      [1, 2, 3, 4].flatMap((id) => [
        send(`/orders/${id}`),
        send(`/carts/${id}`),
        send(`/orders/x${id}?fail=1`),
        send(`/carts/x${id}?fail=1`),
      ]),
    );
    assert.deepEqual([...new Set(sent)].sort(), [201, 409]);
    // Rows are sent in their order, so nothing comes after these.
    assert.deepEqual([await send('/carts/last'), await send('/orders/last')], [201, 201]);
    const names = () => stored().then((text) => JSON.parse(text).map(({ event, distinct_id: id }) => `${event} ${id}`));
    await until(async () => (await names()).includes('stock_reserved customer_last'));
    const ids = ['first', 1, 2, 3, 4, 'last'];
    const orders = ids.flatMap((id) => [`order_placed customer_${id}`, `stock_reserved customer_${id}`]);
    const carts = ids.slice(1).map((id) => `cart_opened customer_${id}`);
    assert.deepEqual([...new Set(await names())].sort(), [...orders, ...carts].sort());
    const stats = await (await fetch(`http://127.0.0.1:${PORT}/stats`)).json();
    assert.deepEqual(stats, { captured: 29, delivered: 17, droppedByReason: { rolled_back: 12 } });
  });
}

/** The sample 07-typed-events: events that keep or break their definition or their limit, and the catalog in its repository. */
async function typedEvents() {
  const act = async (stored) => {
    const send = async (path, body) => {
      const headers = { 'Content-Type': 'application/json', 'x-user': 'ann' };
      return (await fetch(`http://127.0.0.1:${PORT}${path}`, { method: 'POST', headers, body: JSON.stringify(body) }))
        .status;
    };
    assert.equal(await send('/orders', { id: 'o1', total: -1 }), 201);
    assert.equal(await send('/orders', { id: 'o2', total: 42, email: 'ann@example.com' }), 201);
    const cart = () => fetch(`http://127.0.0.1:${PORT}/cart`, { headers: { 'x-user': 'ann' } });
    for (let time = 0; time < 5; time++) assert.equal((await cart()).status, 200);
    const payment = { id: 'p1', order: 'o2', amount: 42, customer: 'ann', paidAt: '2026-01-02T03:04:05Z' };
    for (let time = 0; time < 2; time++) assert.equal(await send('/webhooks/payments', payment), 201);
    assert.equal(await send('/orders/o2/invoice', {}), 201);
    const events = await until(async () => {
      const found = JSON.parse(await stored());
      return found.some(({ event }) => event === 'invoice_sent') && found;
    });
    const count = (name) => events.filter(({ event }) => event === name).length;
    assert.deepEqual([count('cart_viewed'), count('payment_received')], [3, 1]);
    const orders = events.filter(({ event }) => event === 'order_placed').map(({ properties }) => properties);
    assert.deepEqual(
      orders.map(({ order, total, currency }) => [order, total, currency]),
      [['o2', 42, 'EUR']],
    );
    assert.match(orders[0].email, /^[0-9a-f]{32}$/);
  };
  await sample('07-typed-events', /Events:\s+(\S+)/, act, { NODE_ENV: 'development' });
  const folder = join(ROOT, 'sample/07-typed-events');
  const other = mkdtempSync(join(tmpdir(), 'posthog-capture-'));
  const changed = join(other, 'EVENTS.md');
  writeFileSync(changed, readFileSync(join(folder, 'EVENTS.md'), 'utf8').replace('In the currency', 'In euros'));
  const check = (file) =>
    spawnSync(process.execPath, [
      ...[join(ROOT, 'dist/esm/cli/main.js'), 'events', 'list'],
      ...['--from', join(folder, 'dist/events.js'), '--check', file],
    ]).status;
  assert.deepEqual([check(join(folder, 'EVENTS.md')), check(changed)], [0, 1]);
  rmSync(other, { recursive: true });
}

/**
 * Runs a sample.
 *
 * @param page matches the address of its local PostHog in its output
 * @param more variables of its environment
 */
async function sample(name, page, act, more = {}) {
  const args = ['scripts/sample.mjs', name];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...clean, PORT, REDIS_PORT: '', ...more },
    detached: true,
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  try {
    const events = await until(() => output.includes('Ctrl-C') && page.exec(output)?.[1]);
    await act(async () => (await fetch(new URL('/events', events))).text(), output);
  } catch (error) {
    console.error(output);
    throw error;
  } finally {
    const exited = once(child, 'exit');
    process.kill(-child.pid, 'SIGTERM');
    await exited;
  }
}

async function runJob() {
  const child = spawn(process.execPath, ['sample/02-run-job/run.mjs'], { cwd: ROOT, env: clean });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  await once(child, 'exit');
  assert.ok(output.includes('{"success":true,"event":"page_view","distinct_id":"user_123","error":null}'), output);
  assert.ok(
    output.includes(
      '{"success":false,"event":"page_view","distinct_id":"user_123","error":"PostHog API error: HTTP 401"}',
    ),
    output,
  );
  assert.match(output, /"error":"PostHog connection error: [^"]*ECONNREFUSED/);
}

/** The built command line: a closed pipe, a signal, a .env file. test/e2e covers its output. */
async function program() {
  const folder = mkdtempSync(join(tmpdir(), 'posthog-capture-'));
  const start = (args, options = {}) =>
    spawn(process.execPath, [join(ROOT, 'dist/esm/cli/main.js'), ...args], { cwd: folder, env: clean, ...options });
  try {
    const listen = start(['listen', '--port', '0']);
    let shown = '';
    listen.stdout.on('data', (chunk) => (shown += chunk));
    const url = await until(() => /POSTHOG_HOST=(\S+)/.exec(shown)?.[1]);

    writeFileSync(join(folder, '.env'), `POSTHOG_API_KEY=phc_from_env_file\nPOSTHOG_HOST=${url}\n`);
    const run = start(['run', '--event', 'page_view', '--distinct-id', 'user_123']);
    let answer = '';
    run.stdout.on('data', (chunk) => (answer += chunk));
    const [code] = await once(run, 'close');
    assert.equal(answer, '{"success":true,"event":"page_view","distinct_id":"user_123","error":null}\n');
    assert.equal(code, 0);
    await until(() => /page_view +user_123/.test(shown));
    listen.kill('SIGTERM');
    assert.deepEqual(await once(listen, 'exit'), [0, null], 'listen exits with 0 after a signal');

    const piped = start(['--help']);
    let complaint = '';
    piped.stdout.destroy();
    piped.stderr.on('data', (chunk) => (complaint += chunk));
    await once(piped, 'close');
    assert.equal(complaint, '', 'a closed pipe is not an error');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A script without app.close() delivers its events and ends, with PostHog and without. */
async function plainScript() {
  const { FakePostHog } = await import('nestjs-posthog-capture/testing');
  const posthog = await FakePostHog.start();
  assert.equal(await endOf(posthog.url, PROGRAM_MS / 2), 0);
  assert.equal(posthog.rows.length, 250);
  await posthog.close();
  assert.equal(await endOf(posthog.url, 1000), 0);
}

async function endOf(host, shutdownTimeoutMs) {
  const script = `
    import 'reflect-metadata';
    import { NestFactory } from '@nestjs/core';
    import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
    const module = PostHogCaptureModule.forRoot({ apiKey: 'phc_test', host: '${host}', shutdownTimeoutMs: ${shutdownTimeoutMs}, maxRetries: 1, retryBaseMs: 10 });
    const app = await NestFactory.createApplicationContext(module, { logger: false });
    for (let i = 0; i < 250; i += 1) app.get(CaptureService).capture({ event: 'end', distinctId: 'user_' + i });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: ROOT,
    env: clean,
    stdio: 'inherit',
  });
  const timer = setTimeout(() => child.kill(), PROGRAM_MS);
  const [code] = await once(child, 'exit');
  clearTimeout(timer);
  return code;
}

function post(url, body) {
  return fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

async function until(probe) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await Promise.resolve(probe()).catch(() => undefined);
    if (found) return found;
    if (Date.now() > end) throw new Error('timed out');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
