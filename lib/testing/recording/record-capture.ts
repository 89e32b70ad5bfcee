import { type INestApplicationContext } from '@nestjs/common';
import { HttpAdapterHost, type ModuleRef } from '@nestjs/core';
import { type CaptureService } from '../../capture/capture.service.js';
import { getCaptureToken } from '../../capture/inject-capture.decorator.js';
import { assembleCapture } from '../../module/assemble-capture.js';
import { type InstanceSource } from '../../module/instance-module.js';
import { isGiven } from '../../options/environment.js';
import { type PostHogCaptureModuleOptions } from '../../options/posthog-capture.options.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { isObject } from '../../shared/untrusted-values.js';
import { frameworkOf, hookRequests, runFirst } from '../../tracking/http/http-adapters.js';
import { CaptureRecorder } from './capture-recorder.js';
import { RecordingDelivery } from './recording-delivery.js';
import { recordedEventOf, Recording } from './recording.js';

/** It is never sent anywhere. */
const STAND_IN_KEY = 'phc_recorded';

/** A recorder, and what it reads. */
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
 * Makes the service of an instance as PostHogCaptureModule would, but for its delivery: everything is recorded.
 *
 * @param options count before those of the application
 * @throws PostHogConfigurationError as at a real boot; only a missing key is no problem
 */
export async function recordCapture(
  { explicit, name, config, modules }: InstanceSource,
  { recording, recorder }: RecorderParts,
  options: PostHogCaptureModuleOptions = {},
): Promise<CaptureService> {
  const resolved = resolveOptions({ explicit: forRecording(explicit, options), name, config });
  const { onDrop, shutdownTimeoutMs, context } = resolved.options;
  const told: typeof resolved = {
    ...resolved,
    options: {
      ...resolved.options,
      onDrop: (drop) => {
        recording.recordDrop({ ...drop });
        return onDrop?.(drop);
      },
    },
  };
  const capture = await assembleCapture(told, name, (reporter) => ({
    delivery: new RecordingDelivery(
      { shutdownTimeoutMs },
      {
        recorded: (event) => recording.record(recordedEventOf(event)),
        delivered: (events) => reporter.delivered(events, 1, 0),
        dropped: ({ id, name: event }, reason, detail) => reporter.dropped({ reason, event, uuid: id, detail }),
      },
    ),
    ...(!context && { onStart: () => isolateRequests(modules, recording) }),
  }));
  recording.connect(capture);
  recorders.set(capture, recorder);
  return capture;
}

/** The recorder of a service that records. */
export function recorderOfService(capture: unknown): CaptureRecorder | undefined {
  return typeof capture === 'object' && capture !== null ? recorders.get(capture) : undefined;
}

/**
 * The recorder of an application, or a TestingModule, that records, by PostHogCaptureTestingModule or by `overrideCapture`.
 *
 * @param name the name of a named instance. Default: the default instance
 * @throws when that instance is not there, or does not record
 */
export function recorderOf(app: Pick<INestApplicationContext, 'get'>, name?: string): CaptureRecorder {
  const recorder = recorderOfService(app.get<unknown>(getCaptureToken(name), { strict: false }));
  if (recorder !== undefined) return recorder;
  const whose = name === undefined ? '' : ` "${name}"`;
  throw new Error(
    `The instance${whose} of this application does not record. Import PostHogCaptureTestingModule.forRoot() in place of ` +
      'PostHogCaptureModule, or call overrideCapture(builder) before builder.compile().',
  );
}

/** A test needs no key, and nothing is sent that the environment could want switched off. */
function forRecording(explicit: unknown, options: Readonly<Record<string, unknown>>): unknown {
  const own = explicit ?? {};
  // Refused as at a real boot.
  if (!isObject(own)) return explicit;
  const overrides = Object.entries(options).filter(([, value]) => value !== undefined);
  const given: Record<string, unknown> = { ...own, ...Object.fromEntries(overrides) };
  const { apiKey, enabled } = given;
  return { ...given, apiKey: isGiven(apiKey) ? apiKey : STAND_IN_KEY, enabled: enabled ?? true };
}

/**
 * Brings each request of an application into the isolated recording that its header names. For applications that give requests no
 * context, by which the recording would know of the header. To be called when the routes are there.
 */
export function isolateRequests(modules: ModuleRef, recording: Recording): void {
  const framework = frameworkOf(modules.get(HttpAdapterHost, { strict: false }).httpAdapter);
  if (framework === undefined) return;
  const enter = (request: object, _response: object, next: () => void): void => {
    const named = recording.namedBy(request);
    if (named === undefined) next();
    else named.enter(next);
  };
  if ('express' in framework) runFirst(framework.express, enter);
  else hookRequests(framework.fastify, enter);
}
