import { Controller, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { redisQueue } from 'nestjs-posthog-capture/redis';

@Controller('orders')
class OrdersController {
  constructor(private readonly posthog: CaptureService) {}

  @Post(':id')
  place(@Param('id') id: string) {
    this.posthog.capture({ event: 'order_placed', distinctId: `customer_${id}`, properties: { id } });
    return { id, pod: process.pid };
  }
}

@Module({
  imports: [PostHogCaptureModule.forRoot({ queue: redisQueue({ connection: process.env.REDIS_URL! }) })],
  controllers: [OrdersController],
})
class PodModule {}

const app = await NestFactory.create(PodModule, { logger: ['warn', 'error', 'fatal'] });
app.enableShutdownHooks();
await app.listen(Number(process.env.PORT));
