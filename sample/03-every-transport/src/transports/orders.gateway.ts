import { MessageBody, SubscribeMessage, WebSocketGateway, type WsResponse } from '@nestjs/websockets';
import { TrackEvent } from 'nestjs-posthog-capture';
import { from, map, type Observable } from 'rxjs';
import { type Order, OrdersService } from './orders.service.js';

interface Placed {
  id: string;
  /** The customer. A ws socket has no access to the request that opened it. */
  customer: string;
}

/** WebSockets, with socket.io and ws. */
@WebSocketGateway()
export class OrdersGateway {
  constructor(private readonly orders: OrdersService) {}

  @SubscribeMessage('place')
  @TrackEvent('order_placed', {
    on: 'any',
    distinctId: ({ args }) => (args[0] as Placed).customer,
    properties: ({ args }) => ({ order: (args[0] as Placed).id }),
  })
  async place(@MessageBody() { id }: Placed): Promise<WsResponse<Order>> {
    return { event: 'placed', data: await this.orders.price(id) };
  }

  /** One event, however many messages the handler returns. */
  @SubscribeMessage('watch')
  @TrackEvent('order_watched', { distinctId: ({ args }) => (args[0] as Placed).customer })
  watch(@MessageBody() { id }: Placed): Observable<WsResponse<string>> {
    return from(['packed', 'sent', 'delivered']).pipe(map((state) => ({ event: 'state', data: `${id} ${state}` })));
  }
}
