import { registerAs } from '@nestjs/config';
import { readVariables } from './environment.js';
import { type PostHogCaptureModuleOptions } from './posthog-capture.options.js';

/**
 * The `POSTHOG_*` variables of the environment as the `posthog` namespace of @nestjs/config:
 * `ConfigModule.forRoot({ load: [posthogConfig] })`, `ConfigModule.forFeature(posthogConfig)`,
 * `PostHogCaptureModule.forRootAsync(posthogConfig.asProvider())`, or `@Inject(posthogConfig.KEY)`.
 *
 * Holds only what is set. Never throws: text that says nothing to its option stays as it is, and the boot of
 * PostHogCaptureModule names it.
 */
export const posthogConfig = registerAs(
  'posthog',
  () => readVariables((variable) => process.env[variable]) as PostHogCaptureModuleOptions,
);
