import {
  All,
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type PipeTransform,
  Post,
  Scope,
  UseGuards,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { IsString } from 'class-validator';
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';
import { Flag, RequireFlag } from 'nestjs-posthog-capture/flags';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, serve, type ServeOptions } from '../../support/serve.js';
import { flagsOf, StandInClient } from '../../support/flag-client.js';

interface Request {
  headers: Record<string, string | undefined>;
  user?: string;
}

@Injectable()
class Auth implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    request.user = request.headers['x-user'];
    return request.user !== undefined;
  }
}

class TeapotError extends Error {}

@Controller()
class Routes {
  constructor(private readonly capture: CaptureService) {}

  @Get('guarded')
  @RequireFlag('beta')
  guarded() {
    this.capture.capture({ event: 'reached' });
    return {};
  }

  @Get('auth-above')
  @UseGuards(Auth)
  @RequireFlag('beta')
  authAbove() {
    return {};
  }

  @Get('auth-below')
  @RequireFlag('beta')
  @UseGuards(Auth)
  authBelow() {
    return {};
  }

  @Get('blue')
  @RequireFlag('color', { variant: 'blue' })
  blue() {
    return {};
  }

  @Get('open')
  @RequireFlag('unknown', { defaultValue: true })
  open() {
    return {};
  }

  @Get('open-blue')
  @RequireFlag('unknown', { variant: 'blue', defaultValue: true })
  openBlue() {
    return {};
  }

  @Get('forbidden')
  @RequireFlag('unknown', { otherwise: 'forbidden' })
  forbidden() {
    return {};
  }

  @Get('own')
  @RequireFlag('unknown', { otherwise: (context) => new TeapotError(context.getHandler().name) })
  own() {
    return {};
  }

  @Get('tracked')
  @TrackEvent('tracked', { on: 'any' })
  @RequireFlag('beta')
  tracked() {
    return {};
  }

  @All('any')
  @RequireFlag('beta')
  any() {
    return {};
  }

  @Get('value')
  value(
    @Flag('color') color: unknown,
    @Flag('unknown', { defaultValue: 'control' }) other: string,
    @Flag('none') none: unknown,
  ) {
    return { color, other, none: none === undefined };
  }
}

@Controller('inner')
@RequireFlag('controller')
@UseGuards(Auth)
class Guarded {
  @Get()
  @RequireFlag('beta')
  get() {
    return {};
  }
}

const identity: NonNullable<NonNullable<ServeOptions['posthog']>['identity']> = ({ request }) =>
  (request as Request | undefined)?.user ?? (request as Request | undefined)?.headers['x-person'];

afterEach(closeAll);

describe.each(ADAPTERS)('flags on %s', (adapter) => {
  async function start(options: ServeOptions = {}) {
    const flags = new StandInClient();
    const served = await serve({
      adapter,
      controllers: [Routes, Guarded],
      ...options,
      posthog: { identity, ...options.posthog },
      imports: [flagsOf(flags), ...(options.imports ?? [])],
    });
    const get = async (path: string, headers: Record<string, string> = { 'x-person': 'ann' }, method = 'GET') => {
      const response = await fetch(`${served.url}/${path}`, { headers, method });
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>) };
    };
    return { ...served, flags, get };
  }

  it('@RequireFlag lets those pass for whom the flag is enabled', async () => {
    const { flags, get } = await start();
    flags.set('beta', true, 'ann');
    expect((await get('guarded', { 'x-person': 'ann' })).status).toBe(200);
    expect((await get('guarded', { 'x-person': 'bob' })).status).toBe(404);
    // One question for each request, for the flags of all decorators.
    const keys = 'beta color controller none unknown';
    expect(flags.asked).toEqual([`ann: ${keys}`, `bob: ${keys}`]);
  });

  it('a denied request is like one for a route that does not exist', async () => {
    const { get } = await start();
    const { body } = await get('nowhere?a=1');
    expect(body).toMatchObject({ message: 'Cannot GET /nowhere?a=1', statusCode: 404 });
    expect((await get('guarded?a=1')).body).toEqual({ ...body, message: 'Cannot GET /guarded?a=1' });
  });

  it('HEAD and other methods are guarded as well', async () => {
    const { flags, get } = await start();
    expect((await get('guarded', undefined, 'HEAD')).status).toBe(404);
    for (const method of ['POST', 'OPTIONS', 'DELETE'])
      expect((await get('any', undefined, method)).body).toMatchObject({ message: `Cannot ${method} /any` });
    flags.set('beta', true);
    expect((await get('guarded', undefined, 'HEAD')).status).toBe(200);
    expect((await get('any', undefined, 'OPTIONS')).status).toBe(200);
  });

  it.each(['auth-above', 'auth-below'])('the user of another guard is known: %s', async (path) => {
    const { flags, get } = await start();
    flags.set('beta', true, 'ann');
    expect((await get(path, { 'x-user': 'ann' })).status).toBe(200);
    expect((await get(path, { 'x-user': 'bob' })).status).toBe(404);
    expect((await get(path, {})).status).toBe(403);
    expect(flags.asked.map((line) => line.split(':')[0])).toEqual(['ann', 'bob']);
  });

  it('flags of a controller and of its handler are all required', async () => {
    const { flags, get } = await start();
    flags.set('beta', true);
    expect((await get('inner', { 'x-user': 'ann' })).status).toBe(404);
    flags.set('controller', true);
    expect((await get('inner', { 'x-user': 'ann' })).status).toBe(200);
    expect(flags.asked).toHaveLength(2);
  });

  it.each([
    ['blue', 200],
    ['green', 404],
    [true, 404],
    [false, 404],
  ])('a variant is required: %s', async (value, status) => {
    const { flags, get } = await start();
    flags.set('color', value);
    expect((await get('blue')).status).toBe(status);
  });

  it('with defaultValue true, an unknown flag lets calls pass', async () => {
    const { flags, get } = await start();
    expect((await get('open')).status).toBe(200);
    expect((await get('open-blue')).status).toBe(200);
    flags.set('unknown', false);
    expect((await get('open')).status).toBe(404);
    expect((await get('open-blue')).status).toBe(404);
  });

  it('otherwise selects the error', async () => {
    const seen: unknown[] = [];
    const { get } = await start({
      prepare: (app) =>
        app.useGlobalFilters({
          catch: (error: unknown, host) => {
            seen.push(error);
            host
              .switchToHttp()
              .getResponse<{ status(code: number): { send(body: object): void } }>()
              .status(418)
              .send({});
          },
        }),
    });
    await get('own');
    expect(seen[0]).toBeInstanceOf(TeapotError);
    expect(seen[0]).toMatchObject({ message: 'own' });
    await get('forbidden');
    expect(seen[1]).toMatchObject({ status: 403, message: 'Forbidden resource' });
  });

  it.each([
    [
      'throws',
      (): Error => {
        throw new TypeError('secret');
      },
      'threw TypeError',
    ],
    ['returns no Error', () => ({}) as Error, 'returned no Error'],
    ['returns a promise', () => Promise.reject(new Error('secret')) as unknown as Error, 'returned a promise'],
  ])('if otherwise %s, the request is denied as by default', async (_what, otherwise, problem) => {
    @Controller()
    class Failing {
      @Get('failing')
      @RequireFlag('beta', { otherwise })
      get() {
        return {};
      }
    }
    const { get, lines } = await start({ controllers: [Failing] });
    for (let index = 0; index < 3; index++)
      expect((await get('failing')).body).toMatchObject({ message: 'Cannot GET /failing' });
    const warnings = lines.filter((line) => line.includes('otherwise'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`@RequireFlag("beta"): otherwise ${problem}`);
    expect(warnings[0]).toContain('denied as by default');
    expect(warnings[0]).not.toContain('secret');
  });

  it('@TrackEvent captures a denied request, and one that passes', async () => {
    const { flags, get, events } = await start();
    await get('tracked', { 'x-person': 'ann' });
    flags.set('beta', true);
    await get('tracked', { 'x-person': 'ann' });
    const outcomes = (await events('tracked')).map(({ distinct_id, properties }) => [
      distinct_id,
      properties.$outcome,
      properties.$status_code ?? properties.$response_status_code,
      properties['$feature/beta'],
    ]);
    expect(outcomes).toEqual([
      ['ann', 'denied', 404, undefined],
      ['ann', 'success', 200, true],
    ]);
  });

  it('@Flag passes values to parameters', async () => {
    const { flags, get } = await start();
    flags.set('color', 'blue', 'ann');
    flags.set('color', false, 'bob');
    expect((await get('value', { 'x-person': 'ann' })).body).toEqual({ color: 'blue', other: 'control', none: true });
    expect((await get('value', { 'x-person': 'bob' })).body).toEqual({ color: false, other: 'control', none: true });
    expect(flags.asked).toHaveLength(2);
  });

  it('without contexts, the person of a request is known all the same', async () => {
    const { flags, get } = await start({ posthog: { context: false } });
    flags.set('beta', true, 'ann');
    flags.set('color', 'blue', 'ann');
    expect((await get('auth-above', { 'x-user': 'ann' })).status).toBe(200);
    expect((await get('auth-above', { 'x-user': 'bob' })).status).toBe(404);
    expect((await get('value')).body).toMatchObject({ color: 'blue' });
    expect(flags.asked).toHaveLength(3);
  });

  it('later events of the request have the value that a guard read', async () => {
    const { flags, get, events } = await start();
    flags.set('beta', 'blue', 'ann');
    await get('guarded', { 'x-person': 'ann' });
    const [{ properties }] = (await events('reached')) as [Awaited<ReturnType<typeof events>>[number]];
    expect(properties['$feature/beta']).toBe('blue');
  });

  class Dto {
    @IsString()
    text!: string;
  }

  /** Copies each value, as sanitizers do. */
  class CopyingPipe implements PipeTransform {
    transform(value: unknown): unknown {
      return typeof value === 'object' && value !== null ? { ...value } : value;
    }
  }

  it('pipes of the application leave the value as it is, and validate the rest', async () => {
    @Controller()
    @UsePipes(CopyingPipe)
    class Piped {
      @Post('piped')
      @UsePipes(CopyingPipe)
      post(
        @Flag('color') color: boolean,
        @Body() { text }: Dto,
        @Flag('count') count: number,
        @Flag('on') on: string,
        @Flag('dto') dto: Dto,
      ) {
        return { color, text, count, on, dto };
      }
    }
    const { flags, url } = await start({
      controllers: [Piped],
      prepare: (app) =>
        app.useGlobalPipes(
          new ValidationPipe({
            transform: true,
            whitelist: true,
            forbidNonWhitelisted: true,
            validateCustomDecorators: false,
            transformOptions: { enableImplicitConversion: true },
          }),
        ),
    });
    flags.set('color', 'blue');
    flags.set('count', '7');
    flags.set('on', true);
    flags.set('dto', 'control', 'ann');
    const post = async (body: object) => {
      const response = await fetch(`${url}/piped`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-person': 'ann' },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    };
    expect(await post({ text: 'hello' })).toEqual({
      status: 201,
      body: { color: 'blue', text: 'hello', count: '7', on: true, dto: 'control' },
    });
    expect((await post({ text: 'hello', more: 1 })).status).toBe(400);
  });

  it('works in request-scoped and inherited controllers', async () => {
    abstract class Base {
      @Get('base')
      @RequireFlag('beta')
      get(@Flag('color') color: unknown) {
        return { color };
      }
    }
    @Controller({ path: 'scoped', scope: Scope.REQUEST })
    class Scoped extends Base {}
    @Controller({ path: 'durable', scope: Scope.REQUEST, durable: true })
    class Durable extends Base {}
    @Controller('plain')
    class Plain extends Base {}
    const { flags, get } = await start({ controllers: [Scoped, Durable, Plain] });
    for (const path of ['scoped', 'durable', 'plain']) {
      flags.clear();
      flags.set('color', 'blue', 'ann');
      expect((await get(`${path}/base`, { 'x-person': 'ann' })).status).toBe(404);
      flags.set('beta', true, 'ann');
      expect((await get(`${path}/base`, { 'x-person': 'ann' })).body).toEqual({ color: 'blue' });
    }
    expect(new Set(flags.asked)).toEqual(new Set(['ann: beta color']));
  });
});
