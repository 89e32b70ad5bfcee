import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiProperty, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { TrackEvent } from 'nestjs-posthog-capture';
import { closeAll } from '../support/harness.js';
import { serve } from '../support/serve.js';

class Order {
  @ApiProperty()
  id!: string;
}

/** The same controller, with and without our decorator. */
function controllerWith(decorate: () => MethodDecorator): new () => object {
  @Controller('orders')
  class OrdersController {
    @Get(':id')
    @decorate()
    @ApiOkResponse({ type: Order })
    get(@Param('id') id: string, @Query('full') full?: string): Order {
      return { id: full ?? id };
    }

    @decorate()
    @Post()
    place(@Body() order: Order): Order {
      return order;
    }
  }
  return OrdersController;
}

afterEach(closeAll);

it('a decorated handler has the same entry in Swagger', async () => {
  const document = async (decorate: () => MethodDecorator) => {
    const { app } = await serve({ controllers: [controllerWith(decorate)] });
    return SwaggerModule.createDocument(app, new DocumentBuilder().build());
  };
  const plain = await document(() => () => undefined);
  expect(await document(() => TrackEvent('called', { on: 'any' }))).toEqual(plain);
  expect(Object.keys(plain.paths)).toEqual(['/orders/{id}', '/orders']);
});
