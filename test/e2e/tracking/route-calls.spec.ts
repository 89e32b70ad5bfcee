import { Readable } from 'node:stream';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  Inject,
  Injectable,
  type NestInterceptor,
  Next,
  Param,
  Res,
  Sse,
  StreamableFile,
  UseFilters,
  UseGuards,
  UseInterceptors,
  Version,
  VersioningType,
} from '@nestjs/common';
import {
  CaptureService,
  PostHogCaptureModule,
  TrackEvent,
  type TrackContext,
  type TrackEventOptions,
} from 'nestjs-posthog-capture';
import { concat, defer, EMPTY, from, of, retry, throwError, timer } from 'rxjs';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, serve } from '../../support/serve.js';

// Where only successes are captured, the route opens the call of a handler; otherwise an interceptor does. Both must capture the same
// events.
type Choice = TrackEventOptions['on'];
const WAYS = { route: 'success', interceptor: ['success', 'error'] } satisfies Record<string, Choice>;

/** Everything that a callback can see, as JSON. */
function view({ execution, request, result, durationMs, ...rest }: TrackContext): Record<string, unknown> {
  const http = execution?.switchToHttp();
  return {
    ...rest,
    args: rest.args.map((arg: unknown) => (typeof arg === 'object' ? 'object' : arg)),
    result: result instanceof StreamableFile ? 'file' : (result as unknown),
    took: durationMs >= 0 && durationMs < 60_000,
    class: execution?.getClass().name,
    handler: execution?.getHandler().name,
    type: execution?.getType(),
    is_same_request: http?.getRequest() === request && execution?.getArgByIndex(0) === request,
    has_response: typeof http?.getResponse() === 'object',
  };
}

const retrying: NestInterceptor = { intercept: (_context, next) => next.handle().pipe(retry(1)) };
const cached: NestInterceptor = { intercept: () => of('cached') };
@Catch()
class Forgiving implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<{ status(code: number): { send(body: unknown): void } }>();
    response.status(200).send('never mind');
  }
}

@Injectable()
class Neighbour {
  @TrackEvent('asked', { properties: ({ transport }) => ({ transport }) })
  ask() {
    return 'neighbour';
  }
}

/** A controller whose handlers respond in every possible way. */
function controller(on: Choice) {
  const Tracked = (): MethodDecorator => TrackEvent('called', { on, properties: view });

  @Controller()
  class Calls {
    private calls = 0;

    constructor(
      @Inject(Neighbour) private readonly neighbour: Neighbour,
      @Inject(CaptureService) private readonly capture: CaptureService,
    ) {}

    @Get('value/:id')
    @Tracked()
    value(@Param('id') id: string) {
      return { id };
    }

    @Get('nothing')
    @Tracked()
    nothing() {
      return undefined;
    }

    @Get('promise')
    @Tracked()
    async promise() {
      await new Promise(setImmediate);
      this.capture.capture({ event: 'inside' });
      this.capture.context.set({ distinctId: 'found_out' });
      return 'kept';
    }

    @Get('rejects')
    @Tracked()
    async rejects() {
      await new Promise(setImmediate);
      throw new Error('no');
    }

    @Get('throws')
    @Tracked()
    throws() {
      throw new Error('no');
    }

    @Get('many')
    @Tracked()
    many() {
      return from([1, 2, 3]);
    }

    @Get('empty')
    @Tracked()
    empty() {
      return EMPTY;
    }

    @Get('late')
    @Tracked()
    late() {
      return defer(() => timer(1));
    }

    @Get('broken')
    @Tracked()
    broken() {
      return concat(
        of(1),
        throwError(() => new Error('no')),
      );
    }

    @Get('thenable')
    @Tracked()
    thenable() {
      return { then: (resolve: (value: string) => void) => setImmediate(() => resolve('in the end')) };
    }

    @Get('file')
    @Tracked()
    file() {
      return new StreamableFile(Readable.from([Buffer.from('one '), Buffer.from('two')]));
    }

    @Sse('stream')
    @Tracked()
    stream() {
      return from([{ data: '1' }, { data: '2' }]);
    }

    @Get('by-hand')
    @Tracked()
    byHand(@Res() response: { status(code: number): { send(body: unknown): void } }) {
      setImmediate(() => response.status(201).send({ by: 'hand' }));
    }

    @Get('refused-by-hand')
    @Tracked()
    refusedByHand(@Res() response: { status(code: number): { send(body: unknown): void } }) {
      response.status(409).send({ by: 'hand' });
    }

    @Get('retried')
    @UseInterceptors(retrying)
    @Tracked()
    retried() {
      return this.flaky();
    }

    @Get('cached')
    @UseInterceptors(cached)
    @Tracked()
    cached() {
      return 'never';
    }

    @Get('forgiven')
    @UseFilters(Forgiving)
    @Tracked()
    forgiven() {
      throw new Error('no');
    }

    @Get('denied')
    @UseGuards({ canActivate: () => false })
    @Tracked()
    denied() {
      return 'never';
    }

    @Get('itself/:depth')
    @Tracked()
    itself(@Param('depth') depth: string): string {
      return depth === '0' ? 'ground' : this.itself('0');
    }

    @Get('others')
    @Tracked()
    others() {
      return [this.value('9').id, this.neighbour.ask()];
    }

    @Get('twice')
    @TrackEvent('too', { on })
    @Tracked()
    twice() {
      return 'two';
    }

    private flaky(): string {
      if (this.calls++ % 2 === 0) throw new Error('try again');
      return 'ok';
    }
  }
  return Calls;
}

/** The same retry around the whole controller, where the route still opens the calls. */
function retriedController(on: Choice) {
  const Calls = controller(on);
  UseInterceptors(retrying)(Calls);
  return Calls;
}

/** Without random values, so that the events of both ways can be compared. */
const comparable = (events: readonly { event: string; distinct_id: string; properties: object }[]): unknown[] =>
  events.map(({ event, distinct_id, properties }) => ({
    event,
    who: /^[0-9a-f-]{36}$/.test(distinct_id) ? 'nobody' : distinct_id,
    properties: { ...properties, $duration_ms: 0 },
  }));

afterEach(closeAll);

describe.each(ADAPTERS)('calls of routes on %s', (adapter) => {
  const identity = ({ execution }: { execution?: { getHandler(): { name: string } } }) =>
    execution && { properties: { identified_in: execution.getHandler().name } };

  async function eventsOf(way: keyof typeof WAYS, path: string, factory = controller) {
    const app = await serve({
      adapter,
      controllers: [factory(WAYS[way])],
      providers: [Neighbour],
      posthog: { identity },
    });
    const response = await fetch(`${app.url}/${path}`, { headers: { 'x-posthog-session-id': 's1' } });
    const body = await response.text();
    const events = await app.events();
    await closeAll();
    return { status: response.status, body, events: comparable(events) };
  }

  it.each([
    ['value/7', 1],
    ['nothing', 1],
    ['promise', 2],
    ['many', 1],
    ['late', 1],
    ['thenable', 1],
    ['file', 1],
    ['stream', 1],
    ['by-hand', 1],
    ['retried', 1],
    ['cached', 0],
    ['denied', 0],
    ['itself/1', 2],
    ['others', 3],
    ['twice', 2],
  ])('%s gives the same events both ways', async (path, count) => {
    const route = await eventsOf('route', path);
    expect(route.events).toHaveLength(count);
    expect(route).toEqual(await eventsOf('interceptor', path));
  });

  it.each(['rejects', 'throws', 'empty', 'broken', 'refused-by-hand', 'forgiven'])(
    '%s is not a success either way',
    async (path) => {
      const route = await eventsOf('route', path);
      const { events, ...answer } = await eventsOf('interceptor', path);
      expect(route).toEqual({ ...answer, events: [] });
      expect(events).toMatchObject([{ properties: { outcome: 'error' } }]);
    },
  );

  it('counts a call that an interceptor of the controller retries once', async () => {
    const route = await eventsOf('route', 'retried', retriedController);
    expect(route.events).toMatchObject([{ properties: { result: 'ok', $outcome: 'success' } }]);
  });

  it('distinguishes two versions of a route', async () => {
    @Controller('orders')
    class Orders {
      @Get()
      @Version('1')
      @TrackEvent('first', { properties: view })
      first() {
        return 1;
      }

      @Get()
      @Version('2')
      second() {
        return this.first();
      }
    }
    const { url, events } = await serve({
      adapter,
      controllers: [Orders],
      prepare: (app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'v' }),
    });
    await fetch(`${url}/orders`, { headers: { v: '1' } });
    await fetch(`${url}/orders`, { headers: { v: '2' } });
    expect((await events()).map(({ properties }) => properties.transport)).toEqual(['http', 'provider']);
  });

  it('tracks a method called by work that has outlived its request', async () => {
    let outlived: () => Promise<void> = () => Promise.reject(new Error('not called'));
    @Controller()
    class Orders {
      @Get()
      @TrackEvent('read', { properties: view })
      read() {
        const context = new Promise<void>((resolve) => (release = resolve));
        outlived = async () => context;
        void context.then(() => void this.read());
        return 1;
      }
    }
    let release: () => void = () => undefined;
    const { url, events } = await serve({ adapter, controllers: [Orders] });
    await (await fetch(url)).text();
    release();
    await outlived();
    expect((await events()).map(({ properties }) => properties.transport)).toEqual(['http', 'provider']);
  });

  it('shares its controllers with an application without contexts', async () => {
    const Calls = controller('success');
    const options = { adapter, controllers: [Calls], providers: [Neighbour] };
    const first = await serve(options);
    const other = await serve({ ...options, posthog: { context: false } });
    const third = await serve(options);
    for (const { url, events } of [first, other, third]) {
      await (await fetch(`${url}/value/7`)).text();
      expect(await events()).toMatchObject([{ properties: { transport: 'http', args: ['7'], handler: 'value' } }]);
    }
  });
});

it('ends the call of a handler on Express that calls next()', async () => {
  @Controller('orders')
  class Orders {
    @Get(':id')
    @TrackEvent('first', { properties: view })
    first(@Next() next: () => void) {
      next();
    }

    @Get(':any')
    second() {
      this.first(() => undefined);
      return 2;
    }
  }
  const { url, events } = await serve({ controllers: [Orders] });
  await (await fetch(`${url}/orders/1`)).text();
  const captured = await events();
  expect(captured.map(({ properties }) => properties.transport).sort()).toEqual(['http', 'provider']);
});

it('leaves routes without a decorator of ours unchanged', async () => {
  @Controller()
  class Plain {
    @Get()
    read() {
      return 1;
    }
  }
  const before = Reflect.getMetadataKeys(Plain.prototype.read);
  await serve({ controllers: [Plain], imports: [PostHogCaptureModule.forRoot({ name: 'other', enabled: false })] });
  expect(Reflect.getMetadataKeys(Plain.prototype.read)).toEqual(before);
});
