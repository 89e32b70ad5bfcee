import { type CaptureService } from '../capture/capture.service.js';
import { describeValue } from '../options/describe-value.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { fieldOf } from '../shared/untrusted-values.js';
import { Tracker } from '../tracking/tracker.js';
import { type Handler } from './invoke-handler.js';

interface BootedApplication {
  readonly handler: Handler;
  readonly captures: readonly CaptureService[];
}

/**
 * Calls `bootstrap`, and finds the instances of its application.
 *
 * @throws PostHogConfigurationError if the result has no `app` with an instance, or no `handler`
 */
export async function bootApplication(bootstrap: () => unknown): Promise<BootedApplication> {
  const result = await bootstrap();
  const app = fieldOf(result, 'app');
  const handler = fieldOf(result, 'handler');
  const problems = [
    ...(isContext(app)
      ? []
      : [`app: got ${describeValue(app, undefined)}; expected the application that NestFactory creates`]),
    ...(typeof handler === 'function'
      ? []
      : [`handler: got ${describeValue(handler, undefined)}; expected a function`]),
  ];
  if (problems.length > 0 || !isContext(app))
    throw new PostHogConfigurationError(
      problems.map((problem) => `withFlush: bootstrap must return { app, handler }; ${problem}`),
    );
  return { handler: handler as Handler, captures: capturesOf(app) };
}

interface Context {
  get(token: unknown, options: { strict: boolean }): unknown;
}

function isContext(app: unknown): app is Context {
  return typeof fieldOf(app, 'get') === 'function';
}

function capturesOf(app: Context): readonly CaptureService[] {
  let tracker: unknown;
  try {
    tracker = app.get(Tracker, { strict: false });
  } catch {
    // Not in this application.
  }
  const captures = tracker instanceof Tracker ? tracker.captures : [];
  if (captures.length > 0) return captures;
  throw new PostHogConfigurationError([
    'withFlush: the application of bootstrap has no CaptureService to flush; import PostHogCaptureModule.forRoot() in its module',
  ]);
}
