import { Controller, Get, Injectable } from '@nestjs/common';
import { TrackEvent } from 'nestjs-posthog-capture';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, serve } from '../../support/serve.js';

afterEach(closeAll);

class BaseOrders {
  @TrackEvent('base_placed')
  place(): string {
    return 'placed';
  }

  /** Undecorated, for overrides. */
  protected doShip(): string {
    return 'shipped';
  }

  @TrackEvent('base_shipped')
  ship(): string {
    return this.doShip();
  }

  @TrackEvent('base_returned')
  giveBack(): string {
    return 'returned';
  }
}

@Injectable()
class Orders extends BaseOrders {
  @TrackEvent('placed')
  override place(): string {
    return super.place();
  }

  @TrackEvent('shipped')
  override ship(): string {
    return this.doShip();
  }

  override giveBack(): string {
    return super.giveBack();
  }
}

@Controller()
class OrdersController extends Orders {
  @Get('place')
  @TrackEvent('http_placed')
  override place(): string {
    return super.place();
  }
}

it.each<[string, keyof Orders, string[]]>([
  ['and its base are two events', 'place', ['base_placed', 'placed']],
  ['that calls an undecorated method is one event', 'ship', ['shipped']],
  ['without a decorator is the event of its base', 'giveBack', ['base_returned']],
])('an override that calls super %s', async (_, method, expected) => {
  const { app, events } = await serve({ providers: [Orders] });
  app.get(Orders)[method]();
  expect((await events()).map(({ event }) => event)).toEqual(expected);
});

it.each(ADAPTERS)('an override of a handler has its own event and those of its bases, on %s', async (adapter) => {
  const { url, events } = await serve({ adapter, controllers: [OrdersController] });
  expect(await (await fetch(`${url}/place`)).text()).toBe('placed');
  const captured = await events();
  expect(captured.map(({ event, properties }) => [event, properties.$transport])).toEqual([
    ['base_placed', 'provider'],
    ['placed', 'provider'],
    ['http_placed', 'http'],
  ]);
});
