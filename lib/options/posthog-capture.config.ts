import '../shared/require-peers.js';
import { registerAs } from '@nestjs/config';
import { readVariables } from './environment.js';
import { type PostHogCaptureModuleOptions } from './posthog-capture.options.js';

/**
 * The `POSTHOG_*` environment variables as the `posthog` namespace of @nestjs/config:
 * `ConfigModule.forRoot({ load: [posthogConfig] })`, `ConfigModule.forFeature(posthogConfig)`,
 * `PostHogCaptureModule.forRootAsync(posthogConfig.asProvider())`, or `@Inject(posthogConfig.KEY)`.
 *
 * Contains only the options whose variables are set. Never throws: invalid text is kept, and PostHogCaptureModule reports it
 * at boot.
 */
export const posthogConfig = registerAs(
  'posthog',
  () => readVariables((variable) => process.env[variable]) as PostHogCaptureModuleOptions,
);
