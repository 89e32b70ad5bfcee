import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { Controller, Get, Param, Res, StreamableFile } from '@nestjs/common';
import { TrackEvent, type TrackContext } from 'nestjs-posthog-capture';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, serve } from '../../support/serve.js';

const core = JSON.parse(readFileSync('node_modules/@nestjs/core/package.json', 'utf8')) as { version: string };
/** Since Nest 12 a handler may return any kind of stream. */
const streamsAnything = Number.parseInt(core.version, 10) >= 12;

interface Hijackable {
  readonly raw?: http.ServerResponse;
  hijack?(): void;
}

let goOn: () => void;
let mayGoOn: Promise<void>;

/** One chunk, then another or an error when the test triggers it. */
async function* chunks(end: string): AsyncGenerator<Buffer, undefined> {
  if (end === 'fails') throw new Error('upstream');
  yield Buffer.from('one');
  await mayGoOn;
  if (end === 'breaks') throw new Error('upstream');
  yield Buffer.from(' two');
}

function readable(end: string): Readable {
  const source = chunks(end);
  return new Readable({
    read() {
      source.next().then(
        ({ done, value }) => this.push(done === true ? null : value),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    // Some streams emit an error when they are destroyed before their end.
    destroy: (error, callback) => callback(error ?? (end === 'breaks' ? new Error('left early') : null)),
  });
}

function webStream(end: string): ReadableStream {
  const source = chunks(end);
  return new ReadableStream({
    async pull(controller) {
      const next = await source.next();
      if (next.done === true) controller.close();
      else controller.enqueue(new Uint8Array(next.value));
    },
  });
}

const BODIES = {
  file: (end: string) => new StreamableFile(readable(end)),
  generator: chunks,
  readable,
  web: webStream,
  response: (end: string) => new Response(webStream(end)),
};

const seen = ({ error }: TrackContext) => ({ message: (error as Error | undefined)?.message });

@Controller()
class Streams {
  @Get('watched/:kind/:end')
  @TrackEvent('any', { on: 'any', properties: seen })
  @TrackEvent('success', { on: 'success' })
  @TrackEvent('default')
  watched(@Param('kind') kind: keyof typeof BODIES, @Param('end') end: string): unknown {
    return BODIES[kind](end);
  }

  @Get('plain/:kind/:end')
  @TrackEvent('plain')
  plain(@Param('kind') kind: keyof typeof BODIES, @Param('end') end: string): unknown {
    return BODIES[kind](end);
  }

  @Get('watched-by-hand/:end')
  @TrackEvent('any', { on: 'any', properties: seen })
  @TrackEvent('success', { on: 'success' })
  @TrackEvent('default')
  watchedByHand(@Param('end') end: string, @Res() response: Hijackable) {
    this.pipe(end, response);
  }

  @Get('plain-by-hand/:end')
  @TrackEvent('plain')
  plainByHand(@Param('end') end: string, @Res() response: Hijackable) {
    this.pipe(end, response);
  }

  private pipe(end: string, response: Hijackable): void {
    response.hijack?.();
    const raw = response.raw ?? (response as http.ServerResponse);
    // Some do so as soon as the client has disconnected, before the response is notified.
    raw.req.once('aborted', () => raw.destroy(new Error('nobody there')));
    pipeline(readable(end), raw, () => undefined);
  }
}

beforeEach(() => {
  mayGoOn = new Promise((resolve) => (goOn = resolve));
});
afterEach(closeAll);

describe.each(ADAPTERS)('a streamed body on %s', (adapter) => {
  const start = () => serve({ adapter, controllers: [Streams], posthog: { requests: true } });

  /** Reads the first chunk and returns the rest of the response. */
  async function read(url: string): Promise<string> {
    const { body } = await fetch(url);
    const reader = body!.getReader();
    let text = Buffer.from((await reader.read()).value as Uint8Array).toString();
    goOn();
    for (let next = await reader.read(); !next.done; next = await reader.read())
      text += Buffer.from(next.value as Uint8Array).toString();
    return text;
  }

  async function leave(url: string): Promise<void> {
    const request = http.get(url).on('error', () => undefined);
    await once((await once(request, 'response'))[0] as http.IncomingMessage, 'data');
    request.destroy();
  }

  const outcomes = (events: readonly { event: string; properties: Record<string, unknown> }[]) =>
    events.map(({ event, properties }) => `${event}: ${String(properties.$outcome)}`).sort();

  // The error of an async generator reaches only its reader, which is Nest.
  const kinds: [string, string | undefined][] = [
    ['/file', 'upstream'],
    ['-by-hand', 'upstream'],
    ...(streamsAnything
      ? ([
          ['/generator', undefined],
          ['/readable', 'upstream'],
          ['/web', 'upstream'],
          ['/response', 'upstream'],
        ] satisfies [string, string | undefined][])
      : []),
  ];

  it.each(kinds)('captures error when %s breaks', async (kind, message) => {
    const { url, events, posthog } = await start();
    // Older versions of Nest end the response with a file on Express as if it were complete.
    const request = await read(`${url}/plain${kind}/breaks`).then(
      () => 'success',
      () => 'error',
    );
    await read(`${url}/watched${kind}/breaks`).catch(() => undefined);
    await posthog.waitForEvents(3);
    const captured = await events();
    expect(outcomes(captured)).toEqual(['any: error', `http_request: ${request}`, `http_request: ${request}`]);
    if (streamsAnything) expect(request).toBe('error');
    const { properties } = captured.find(({ event }) => event === 'any')!;
    expect(properties).toMatchObject({ $response_status_code: 200 });
    expect(properties.message).toBe(message);
  });

  it.each(kinds)('captures error when %s fails before its first chunk', async (kind, message) => {
    const { url, events, posthog } = await start();
    await fetch(`${url}/plain${kind}/fails`).catch(() => undefined);
    await fetch(`${url}/watched${kind}/fails`).catch(() => undefined);
    await posthog.waitForEvents(3);
    const captured = await events();
    expect(outcomes(captured)).toEqual(['any: error', 'http_request: error', 'http_request: error']);
    expect(captured.find(({ event }) => event === 'any')!.properties.message).toBe(message);
  });

  it.each(kinds)('captures aborted when the client disconnects from %s, whatever happens to it then', async (kind) => {
    const { url, events, posthog } = await start();
    await leave(`${url}/plain${kind}/breaks`);
    await leave(`${url}/watched${kind}/breaks`);
    await posthog.waitForEvents(3);
    goOn();
    await new Promise(setImmediate);
    const captured = await events();
    expect(outcomes(captured)).toEqual(['any: aborted', 'http_request: aborted', 'http_request: aborted']);
    expect(captured.find(({ event }) => event === 'any')!.properties).not.toHaveProperty('message');
  });

  it.each(kinds)('captures success when %s is complete', async (kind) => {
    const { url, events } = await start();
    expect(await read(`${url}/plain${kind}/well`)).toBe('one two');
    expect(await read(`${url}/watched${kind}/well`)).toBe('one two');
    expect(outcomes(await events())).toEqual([
      'any: success',
      'default: success',
      'http_request: success',
      'http_request: success',
      'plain: success',
      'success: success',
    ]);
  });
});
