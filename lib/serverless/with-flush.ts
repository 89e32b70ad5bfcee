import { type INestApplicationContext } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { resumeCapture } from '../capture/resume-capture.js';
import { holdBeforeExit } from '../shared/process-hooks.js';
import { bootApplication } from './boot-application.js';
import { checkFlushLimits } from './flush-limits.js';
import { flushInstances } from './flush-instances.js';
import { type Handler, invokeHandler } from './invoke-handler.js';
import { timeLeftMs } from './time-left.js';

/** Time limits of the flush at the end of each invocation. */
export interface FlushLimits {
  /** Maximum duration of the flush, in milliseconds. Default: 2000. */
  timeoutMs?: number | undefined;
  /**
   * Milliseconds of the invocation's time limit that the flush does not use, where `context.getRemainingTimeInMillis()` exists, as on
   * Lambda. Default: 500.
   */
  reserveMs?: number | undefined;
}

/**
 * The result of a `bootstrap` function.
 *
 * @typeParam Handler a handler of the platform
 */
export interface ServerlessApplication<Handler> {
  /** All its instances are flushed, including named ones. */
  readonly app: INestApplicationContext;
  /** Called for each invocation with the arguments of the platform. */
  readonly handler: Handler;
}

/**
 * A handler that resolves with the result after the flush.
 *
 * @typeParam Handler the handler that is wrapped
 */
export type FlushedHandler<Handler extends (...args: never[]) => unknown> = (
  ...args: FlushedArguments<Parameters<Handler>>
) => Promise<FlushedResult<ReturnType<Handler>>>;

/**
 * The arguments of a wrapped handler. A callback is optional and never called.
 *
 * @typeParam Arguments those of the handler
 */
export type FlushedArguments<Arguments extends unknown[]> = Arguments extends [
  infer Event,
  infer Context,
  infer Callback extends (...args: never[]) => unknown,
]
  ? [event: Event, context: Context, callback?: Callback]
  : Arguments;

/**
 * The result of a wrapped handler. If the handler returns nothing, it is the result of the callback.
 *
 * @typeParam Result the return type of the handler
 */
export type FlushedResult<Result> = [Exclude<Result, void>] extends [never] ? unknown : Awaited<Exclude<Result, void>>;

/**
 * Wraps the handler of a serverless function. The events of an invocation are sent before it ends, because the platform may then
 * freeze the process. The result or error of the handler is passed on unchanged.
 *
 * ```ts
 * export const handler = withFlush(async () => {
 *   const app = await NestFactory.createApplicationContext(AppModule);
 *   const orders = app.get(OrdersService);
 *   return { app, handler: (event: OrderEvent) => orders.place(event) };
 * });
 * ```
 *
 * Handlers may return a value or a promise, or call `callback(error, result)` if they declare it as their third parameter. For response
 * streaming, pass the result to `awslambda.streamifyResponse`; the flush starts when the stream has ended.
 *
 * Events that could not be sent in time stay in memory, and are sent at the next invocation. The flush never fails an invocation.
 *
 * @typeParam Given the handler of `bootstrap`
 * @param bootstrap creates the application. Called in the first invocation; after a failure, called again in the next one
 * @throws PostHogConfigurationError if an option is invalid; invocations reject with it if the result of `bootstrap` is
 */
export function withFlush<Given extends (...args: never[]) => unknown>(
  bootstrap: () => ServerlessApplication<Given> | PromiseLike<ServerlessApplication<Given>>,
  options: FlushLimits = {},
): FlushedHandler<Given> {
  const { timeoutMs, reserveMs } = checkFlushLimits(options);
  let booting: ReturnType<typeof bootApplication> | null = null;
  let running = 0;
  const boot = (): ReturnType<typeof bootApplication> => {
    booting ??= bootApplication(bootstrap).catch((error: unknown) => {
      booting = null;
      throw error;
    });
    return booting;
  };
  // No named parameters: Lambda refuses handlers with three since Node.js 24.
  const invoke = async (...args: readonly unknown[]): Promise<unknown> => {
    const mayHaveBeenFrozen = running === 0;
    running += 1;
    const release = holdBeforeExit();
    const leftMs = (): number => timeLeftMs(args) - reserveMs;
    let captures: readonly CaptureService[] = [];
    try {
      const { handler, captures: all } = await boot();
      captures = all;
      if (mayHaveBeenFrozen) captures.forEach(resumeCapture);
      return await invokeHandler(handler, args, () => leftMs() - timeoutMs);
    } finally {
      await flushInstances(captures, () => Math.max(0, Math.min(timeoutMs, leftMs())));
      release();
      running -= 1;
    }
  };
  return invoke as Handler as FlushedHandler<Given>;
}
