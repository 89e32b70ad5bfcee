import { type DynamicModule, type InjectionToken, Module, type Provider } from '@nestjs/common';
import { getCaptureToken } from '../../capture/inject-capture.decorator.js';
import { instanceModule, requireFactory } from '../../module/instance-module.js';
import {
  type ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  type OPTIONS_TYPE,
} from '../../module/posthog-capture.module-definition.js';
import { CaptureRecorder } from './capture-recorder.js';
import { newRecorder, recordCapture, recorderOfService } from './record-capture.js';

/**
 * PostHogCaptureModule for tests: the real CaptureService, whose events go to a CaptureRecorder. Takes the same options and checks
 * them as strictly; needs no key and opens no connection. `POSTHOG_ENABLED` does not count, `enabled` does.
 *
 * ```ts
 * const module = await Test.createTestingModule({
 *   imports: [PostHogCaptureTestingModule.forRoot()],
 *   providers: [OrdersService],
 * }).compile();
 * const recorder = module.get(CaptureRecorder);
 * ```
 */
@Module({})
export class PostHogCaptureTestingModule extends ConfigurableModuleClass {
  /**
   * @param options any of PostHogCaptureOptions, and `name` and `isGlobal`
   * @throws PostHogConfigurationError at boot, naming every problem at once
   */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return recordingModule(super.forRoot(options), options.name);
  }

  /** Like `forRoot`, with options from a factory (`useFactory`, `useClass`, `useExisting`; `imports`, `inject`). */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    requireFactory(options);
    return recordingModule(super.forRootAsync(options), options.name);
  }
}

function recordingModule(definition: DynamicModule, name: string | undefined): DynamicModule {
  // Made with the service, so that two applications of one dynamic module have two recorders.
  const module = instanceModule(definition, name, (source) => recordCapture(source, newRecorder(name)));
  const token: InjectionToken = name === undefined ? CaptureRecorder : `CaptureRecorder:${name}`;
  const recorder: Provider = { provide: token, inject: [getCaptureToken(name)], useFactory: recorderOfService };
  return {
    ...module,
    providers: [...(module.providers ?? []), recorder],
    exports: [...(module.exports ?? []), token],
  };
}
