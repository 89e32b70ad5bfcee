import { type INestApplicationContext } from '@nestjs/common';
import { HttpAdapterHost, type ModuleRef } from '@nestjs/core';
import { type CaptureService } from '../../capture/capture.service.js';
import { clientSettingsOf, rememberClientSettings } from '../../capture/client-settings.js';
import { getCaptureToken } from '../../capture/inject-capture.decorator.js';
import { assembleCapture } from '../../module/assemble-capture.js';
import { type InstanceSource } from '../../module/instance-module.js';
import { isGiven } from '../../options/environment.js';
import { type PostHogCaptureModuleOptions } from '../../options/posthog-capture.options.js';
import { type ExceptionOptions } from '../../options/exception-options.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { isObject } from '../../shared/untrusted-values.js';
import { frameworkOf, hookRequests, runFirst } from '../../tracking/http/http-adapters.js';
import { CaptureRecorder } from './capture-recorder.js';
import { RecordingDelivery } from './recording-delivery.js';
import { recordedEventOf, Recording } from './recording.js';

/** Never sent. */
const PLACEHOLDER_KEY = 'phc_recorded';

export interface RecorderParts {
  readonly recording: Recording;
  readonly recorder: CaptureRecorder;
}

/** @param name the name of a named instance */
export function newRecorder(name: string | undefined): RecorderParts {
  const recording = new Recording(name);
  return { recording, recorder: new CaptureRecorder(recording) };
}

const recorders = processSingleton('recorders', () => new WeakMap<object, CaptureRecorder>());

/**
 * Creates the service of an instance as PostHogCaptureModule does, with a recorder in place of delivery.
 *
 * @param options override those of the application
 * @throws PostHogConfigurationError as PostHogCaptureModule does; only a missing key is accepted
 */
export async function recordCapture(
  { explicit, name, config, modules }: InstanceSource,
  { recording, recorder }: RecorderParts,
  options: PostHogCaptureModuleOptions = {},
): Promise<CaptureService> {
  const resolved = resolveOptions({ explicit: forRecording(explicit, options), name, config });
  const { onDrop, shutdownTimeoutMs, context } = resolved.options;
  const observed: typeof resolved = {
    ...resolved,
    options: {
      ...resolved.options,
      exceptions: withoutLimit(resolved.options.exceptions),
      onDrop: (drop) => {
        recording.recordDrop({ ...drop });
        return onDrop?.(drop);
      },
    },
  };
  const capture = await assembleCapture(observed, name, (reporter) => ({
    delivery: new RecordingDelivery(
      { shutdownTimeoutMs },
      {
        recorded: (event) => recording.record(recordedEventOf(event)),
        delivered: (events) => reporter.delivered(events, 1, 0),
        dropped: (event, reason, detail) =>
          reporter.dropped({ reason, event: event.name, uuid: event.id, detail }, event),
      },
    ),
    ...(!context && { onStart: () => isolateRequests(modules, recording) }),
  }));
  rememberClientSettings(capture, { ...clientSettingsOf(capture), isRecorded: true });
  recording.connect(capture);
  recorders.set(capture, recorder);
  return capture;
}

export function recorderOfService(capture: unknown): CaptureRecorder | undefined {
  return typeof capture === 'object' && capture !== null ? recorders.get(capture) : undefined;
}

/**
 * Returns the recorder of an application or TestingModule that uses PostHogCaptureTestingModule or `overrideCapture`.
 *
 * ```ts
 * expect(recorderOf(app)).toHaveCaptured('purchase_completed');
 * ```
 *
 * @param name the name of a named instance. Default: the default instance
 * @throws if the application has no such instance, or the instance has no recorder
 */
export function recorderOf(app: Pick<INestApplicationContext, 'get'>, name?: string): CaptureRecorder {
  const recorder = recorderOfService(app.get<unknown>(getCaptureToken(name), { strict: false }));
  if (recorder !== undefined) return recorder;
  const quotedName = name === undefined ? '' : ` "${name}"`;
  throw new Error(
    `The instance${quotedName} of this application has no recorder. Import PostHogCaptureTestingModule.forRoot() instead of ` +
      'PostHogCaptureModule, or call overrideCapture(builder) before builder.compile().',
  );
}

/** By default, no error is suppressed: otherwise the eleventh test of an application that expects an error would fail. */
function withoutLimit(given: boolean | ExceptionOptions): ExceptionOptions {
  const options = typeof given === 'object' ? given : { observe: given };
  return { ...options, limit: options.limit ?? false };
}

/** Makes the key optional and ignores `POSTHOG_ENABLED`, as nothing is sent. */
function forRecording(explicit: unknown, options: Readonly<Record<string, unknown>>): unknown {
  const own = explicit ?? {};
  // Rejected by resolveOptions.
  if (!isObject(own)) return explicit;
  const overrides = Object.entries(options).filter(([, value]) => value !== undefined);
  const given: Record<string, unknown> = { ...own, ...Object.fromEntries(overrides) };
  const { apiKey, enabled } = given;
  return { ...given, apiKey: isGiven(apiKey) ? apiKey : PLACEHOLDER_KEY, enabled: enabled ?? true };
}

/**
 * Runs each request in the scope of the isolated recording whose id is in its header. Only needed with `context: false`: otherwise
 * the recording reads the header from the context of the request. Must be called after the routes are registered.
 */
export function isolateRequests(modules: ModuleRef, recording: Recording): void {
  const framework = frameworkOf(modules.get(HttpAdapterHost, { strict: false }).httpAdapter);
  if (framework === undefined) return;
  const enter = (request: object, _response: object, next: () => void): void => {
    const isolated = recording.isolatedBy(request);
    if (isolated === undefined) next();
    else isolated.run(next);
  };
  if ('express' in framework) runFirst(framework.express, enter);
  else hookRequests(framework.fastify, enter);
}
