import http from 'node:http';
import {
  applyDecorators,
  Body,
  Controller,
  Get,
  Header,
  HttpCode,
  Inject,
  Injectable,
  NotFoundException,
  Param,
  ParseIntPipe,
  Post,
  Query,
  Redirect,
  Scope,
  SetMetadata,
  Sse,
  StreamableFile,
  UseGuards,
  ValidationPipe,
} from '@nestjs/common';
import { GUARDS_METADATA, PATH_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { Test } from '@nestjs/testing';
import { IsInt } from 'class-validator';
import { PostHogConfigurationError, TrackEvent, type TrackEventOptions } from 'nestjs-posthog-capture';
import { from, of, throwError } from 'rxjs';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, type AdapterName, serve } from '../../support/serve.js';

class Amount {
  @IsInt()
  amount!: number;
}

const ALL: TrackEventOptions = {
  on: 'any',
  properties: ({ args, result }) => ({ args: args.length, result: typeof result }),
};

@Controller('shop')
class ShopController {
  @TrackEvent('a', ALL)
  @Get('json/:id')
  @Header('x-own', 'yes')
  json(@Param('id', ParseIntPipe) id: number, @Query('q') q?: string) {
    return { id, q };
  }

  @Post('pay')
  @HttpCode(202)
  @TrackEvent('b', ALL)
  pay(@Body(new ValidationPipe({ transform: true })) { amount }: Amount) {
    return Promise.resolve({ amount });
  }

  @Get('text')
  @TrackEvent('c', ALL)
  text() {
    return of('one', 'two');
  }

  @Get('gone')
  @TrackEvent('d', ALL)
  gone() {
    return throwError(() => new NotFoundException('gone'));
  }

  @Get('moved')
  @Redirect('/shop/text', 301)
  @TrackEvent('e', ALL)
  moved() {
    return undefined;
  }

  @Get('file')
  @TrackEvent('f', ALL)
  file() {
    return new StreamableFile(Buffer.from('bytes'), { type: 'text/plain', length: 5 });
  }

  @Sse('sse')
  @TrackEvent('g', ALL)
  sse() {
    return from([{ data: 'one', id: '1' }, { data: { two: 2 } }]);
  }

  @Get('guarded')
  @UseGuards({ canActivate: () => false })
  @TrackEvent('h', ALL)
  guarded() {
    return 'never';
  }
}

/** The complete response, without the date. */
async function answers(adapter: AdapterName, without: boolean): Promise<unknown[]> {
  const { url } = await serve({ adapter, controllers: [ShopController], without, posthog: { requests: true } });
  const seen: unknown[] = [];
  for (const [method, path, body] of [
    ['GET', 'json/7?q=a'],
    ['GET', 'json/x'],
    ['HEAD', 'json/7'],
    ['POST', 'pay', '{"amount":3}'],
    ['POST', 'pay', '{"amount":"x"}'],
    ['POST', 'pay', '{"amount"'],
    ['GET', 'text'],
    ['GET', 'gone'],
    ['GET', 'moved'],
    ['GET', 'file'],
    ['GET', 'sse'],
    ['GET', 'guarded'],
    ['GET', 'nowhere'],
    ['OPTIONS', 'json/7'],
  ] as const) {
    seen.push(await exchange(`${url}/shop/${path}`, method, body));
  }
  await closeAll();
  return seen;
}

function exchange(url: string, method: string, body?: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const request = http.request(url, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const lines = response.rawHeaders.filter((_, index, all) => all[index - (index % 2)] !== 'Date');
        resolve([
          method,
          url.slice(url.indexOf('/shop')),
          response.statusCode,
          lines,
          Buffer.concat(chunks).toString(),
        ]);
      });
    });
    request.on('error', reject).end(body);
  });
}

afterEach(closeAll);

it.each(ADAPTERS)('responses on %s are byte for byte those of an application without the module', async (adapter) => {
  const withModule = await answers(adapter, false);
  expect(withModule).toEqual(await answers(adapter, true));
});

const Tagged = () => applyDecorators(SetMetadata('above', 1));

@Injectable()
class Service {
  readonly factor: number = 2;

  @Tagged()
  @TrackEvent('done')
  @SetMetadata('below', 2)
  double(n: number, unit?: string): number {
    if (n < 0) throw new RangeError(`negative ${unit ?? 'number'}`);
    return n * this.factor;
  }

  @TrackEvent('later')
  async later(n: number): Promise<number> {
    await new Promise(setImmediate);
    return this.double(n);
  }
}

class Derived extends Service {
  override readonly factor: number = 10;

  override double(n: number): number {
    return super.double(n) + 1;
  }
}

describe('a decorated class without the module', () => {
  it('runs unchanged, with and without Nest', async () => {
    const module = await Test.createTestingModule({ providers: [Service], controllers: [ShopController] }).compile();
    await module.init();
    for (const service of [module.get(Service), new Service(), new Derived()]) {
      const expected = service instanceof Derived ? 41 : 8;
      expect(service.double(4)).toBe(expected);
      expect(await service.later(4)).toBe(expected);
      expect(Object.keys(service)).toEqual(['factor']);
    }
    expect(module.get(ShopController).json(3)).toEqual({ id: 3, q: undefined });
    await module.close();
  });

  it('runs where missing dependencies are mocked', async () => {
    const module = await Test.createTestingModule({ controllers: [ShopController], providers: [Service] })
      .useMocker(() => ({}))
      .compile();
    expect(module.get(Service).double(4)).toBe(8);
    await module.close();
  });

  it('runs when it is request-scoped', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Service {}
    @Controller()
    class Home {
      constructor(@Inject(PerRequest) private readonly service: PerRequest) {}
      @Get()
      @TrackEvent('home')
      home() {
        return String(this.service.double(4));
      }
    }
    const { url } = await serve({ controllers: [Home], providers: [PerRequest], without: true });
    expect(await (await fetch(url)).text()).toBe('8');
  });

  it('keeps name, length, metadata and stack of its methods', () => {
    const { double } = Service.prototype;
    expect([double.name, double.length]).toEqual(['double', 2]);
    expect([Reflect.getMetadata('above', double), Reflect.getMetadata('below', double)]).toEqual([1, 2]);
    expect(Reflect.getMetadata('design:paramtypes', Service.prototype, 'double')).toEqual([Number, String]);
    expect(Reflect.getMetadata(PATH_METADATA, ShopController.prototype.json)).toBe('json/:id');
    expect(Reflect.getMetadata(GUARDS_METADATA, ShopController.prototype.guarded)).not.toHaveLength(0);
    expect(Object.keys(Reflect.getMetadata(ROUTE_ARGS_METADATA, ShopController, 'json') as object)).toHaveLength(2);
    let stack = '';
    try {
      new Service().double(-1);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      stack = (error as Error).stack ?? '';
    }
    expect(stack.split('\n')[1]).toContain('double');
  });

  it('still rejects where nobody handles the rejection', async () => {
    const service = new Service();
    await expect(service.later(-1)).rejects.toThrow('negative');
  });
});

describe('@TrackEvent with invalid options', () => {
  it.each<[string, unknown, object, string]>([
    ['no name', ' ', {}, 'the event name must be a non-blank string of at most 200 bytes'],
    ['a long name', 'x'.repeat(201), {}, 'the event name must be a non-blank string of at most 200 bytes'],
    ['a number as name', 7, {}, 'the event name must be'],
    ['an unknown outcome', 'a', { on: 'sucess' }, 'on: expected some of success, error, denied, aborted, or any'],
    ['no outcome', 'a', { on: [] }, 'on: expected some of'],
    ['a rate of 2', 'a', { sampleRate: 2 }, 'sampleRate: expected 0 to 1'],
    ['a string for when', 'a', { when: 'always' }, 'when: expected a function'],
    ['a name that is not a string', 'a', { name: 7 }, 'name: expected the name of an instance'],
    ['an instance that is not a string', 'a', { instance: 7 }, 'instance: expected the name of an instance'],
    ['two instances', 'a', { name: 'billing', instance: 'b' }, 'remove instance, which is a deprecated alias of name'],
    ['a typo', 'a', { propertie: {} }, 'there is no option propertie; did you mean properties?'],
  ])('throws when the class is loaded: %s', (_name, event, options, problem) => {
    const load = () => TrackEvent(event as string, options)({}, 'run', { value: () => undefined });
    expect(load).toThrow(PostHogConfigurationError);
    expect(load).toThrow(problem);
  });

  it('rejects static methods and accessors', () => {
    class Holder {
      readonly value = 1;

      static run(): void {
        // Never called.
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Holder, 'run')!;
    expect(() => TrackEvent('a')(Holder, 'run', descriptor)).toThrow('decorate an instance method');
    expect(() => TrackEvent('a')({}, 'value', { get: () => 1 })).toThrow('decorate an instance method');
  });
});
