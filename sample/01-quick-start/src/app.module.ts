import { type DynamicModule, Module } from '@nestjs/common';
import { PostHogCaptureModule } from 'nestjs-posthog-capture';
import { Destination } from './destination.js';
import { ShopController } from './shop.controller.js';
import { ShopService } from './shop.service.js';

@Module({})
export class AppModule {
  static to(destination: Destination): DynamicModule {
    return {
      module: AppModule,
      imports: [PostHogCaptureModule.forRoot(destination.options)],
      controllers: [ShopController],
      providers: [ShopService, { provide: Destination, useValue: destination }],
    };
  }
}
