import { type DynamicModule, type InjectionToken, Module, type Provider } from '@nestjs/common';
import { getCaptureToken } from '../../capture/inject-capture.decorator.js';
import { instanceModule } from '../../module/instance-module.js';
import {
  ConfigurableModuleClass,
  type PostHogCaptureModuleAsyncOptions,
  type PostHogCaptureModuleExtras,
} from '../../module/posthog-capture.module-definition.js';
import { type PostHogCaptureModuleOptions } from '../../options/posthog-capture.options.js';
import { extendModule } from '../../shared/named-module.js';
import { CaptureRecorder } from './capture-recorder.js';
import { newRecorder, recordCapture, recorderOfService } from './record-capture.js';

/**
 * Replaces PostHogCaptureModule in tests of providers: the real CaptureService, whose events go to a CaptureRecorder. Accepts the same
 * options and validates them as strictly, except that `apiKey` is optional and `POSTHOG_ENABLED` is ignored. Opens no connection.
 *
 * ```ts
 * const module = await Test.createTestingModule({
 *   imports: [PostHogCaptureTestingModule.forRoot()],
 *   providers: [OrdersService],
 * }).compile();
 * module.get(OrdersService).place('user_1');
 * expect(module.get(CaptureRecorder)).toHaveCaptured('order_placed', { distinctId: 'user_1' });
 * ```
 */
@Module({})
export class PostHogCaptureTestingModule extends ConfigurableModuleClass {
  /**
   * @param options those of `PostHogCaptureModule.forRoot`
   * @throws PostHogConfigurationError at boot, listing every problem
   */
  static override forRoot(options: PostHogCaptureModuleOptions & PostHogCaptureModuleExtras = {}): DynamicModule {
    return recordingModule(super.forRoot(options), options.name);
  }

  /** Like `forRoot`, with options from a factory (`useFactory`, `useClass`, `useExisting`; `imports`, `inject`). */
  static override forRootAsync(options: PostHogCaptureModuleAsyncOptions): DynamicModule {
    return recordingModule(super.forRootAsync(options), options.name);
  }
}

function recordingModule(definition: DynamicModule, name: string | undefined): DynamicModule {
  // Created with the service, so that two applications that share this dynamic module have separate recorders.
  const module = instanceModule(definition, name, (source) => recordCapture(source, newRecorder(name)));
  const token: InjectionToken = name === undefined ? CaptureRecorder : `CaptureRecorder:${name}`;
  const recorder: Provider = { provide: token, inject: [getCaptureToken(name)], useFactory: recorderOfService };
  return extendModule(module, { providers: [recorder], exports: [token] });
}
