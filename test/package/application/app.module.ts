import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  HttpCode,
  Inject,
  Injectable,
  Module,
  Param,
  Post,
  UseGuards,
  ValidationPipe,
} from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import {
  CaptureEventDto,
  type CaptureResult,
  CaptureService,
  getCaptureToken,
  InjectCapture,
  type PostHogCaptureModuleOptions,
  PostHogCaptureModule,
  posthogConfig,
  TrackEvent,
} from 'nestjs-posthog-capture';

/** Records which build of the package captured the events. */
export const seenAt = new Set<string>();

/** Allows requests with a name. */
@Injectable()
class NameGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: string }>();
    request.user = request.headers['x-user'];
    return request.user !== undefined;
  }
}

/** Injected by type, without @Inject. */
@Injectable()
export class ByType {
  constructor(readonly posthog: CaptureService) {}
}

@Controller()
export class PurchasesController {
  constructor(
    @Inject(CaptureService) private readonly posthog: CaptureService,
    @InjectCapture('billing') private readonly billing: CaptureService,
  ) {}

  @Post('purchases/:product')
  @UseGuards(NameGuard)
  @TrackEvent('purchase_requested', {
    on: ['success', 'denied'],
    properties: ({ result }) => ({ price: (result as { price: number } | undefined)?.price }),
  })
  async purchase(@Param('product') product: string): Promise<{ price: number }> {
    await Promise.resolve();
    this.posthog.capture({ event: 'product_purchased', properties: { product } });
    this.billing.capture({ event: 'invoice_written', distinctId: 'customer_1' });
    return { price: 3 };
  }

  @Post('capture')
  @HttpCode(200)
  capture(
    @Body(new ValidationPipe({ expectedType: CaptureEventDto, transform: true })) event: CaptureEventDto,
  ): Promise<CaptureResult> {
    return this.posthog.captureNow(event);
  }
}

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, load: [posthogConfig] }),
    PostHogCaptureModule.forRoot({
      identity: ({ request }) => (request as { user?: string } | undefined)?.user,
      beforeSend: (event) => {
        seenAt.add(new Error().stack ?? '');
        return event;
      },
    }),
    PostHogCaptureModule.forRootAsync({
      name: 'billing',
      inject: [ConfigService],
      useFactory: (config: ConfigService): PostHogCaptureModuleOptions => ({
        apiKey: 'phc_billing',
        host: config.getOrThrow<string>('POSTHOG_HOST'),
      }),
    }),
  ],
  controllers: [PurchasesController],
  providers: [
    NameGuard,
    { provide: 'alias', useExisting: getCaptureToken() },
    // Only with compilers that emit decorator metadata.
    ...(process.env.METADATA ? [ByType] : []),
  ],
})
export class AppModule {}
