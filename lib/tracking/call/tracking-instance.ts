import { Logger } from '@nestjs/common';
import { type CaptureService } from '../../capture/capture.service.js';
import { CaptureLog } from '../../capture/report/capture-log.js';
import { type TrackContext } from '../../context/track-context.js';
import { type RequestTrackingOptions } from '../../options/posthog-capture.options.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { type ExceptionRules } from './exception-rules.js';
import { type TrackedEvent } from './track-event.options.js';

/** An application, as its tracked calls see it. */
export interface TrackingApp {
  /** Requests, messages and jobs are given a context. */
  readonly opensContexts: boolean;
  /** The events that some instance captures. */
  wanted(events: readonly TrackedEvent[]): readonly TrackedEvent[];
  /** Captures one event of a call that has ended. Must run in the context of the call. Never throws. */
  readonly capture: (event: TrackedEvent, context: TrackContext) => void;
  /** Logs at most one line per kind and minute. */
  readonly warn: (kind: string, text: string) => void;
}

export interface TrackingInstance {
  readonly capture: CaptureService;
  readonly settings: TrackingSettings;
}

export interface TrackingSettings {
  /** Requests and messages are given a context. */
  readonly context: boolean;
  readonly requests: boolean | RequestTrackingOptions;
  /** null: only the errors that the application captures itself. */
  readonly exceptions: ExceptionRules | null;
  /** Logs at most one line per kind and minute; a function is only called for a line that is logged. */
  readonly warn: (kind: string, text: string | (() => string)) => void;
}

/** Beside the service, because a test may provide a stand-in under its token, which has no settings. */
const settings = processSingleton('tracking-settings', () => new WeakMap<object, TrackingSettings>());

export function rememberSettings(capture: CaptureService, given: TrackingSettings): void {
  settings.set(capture, given);
}

export function settingsOf(capture: CaptureService): TrackingSettings {
  return settings.get(capture) ?? standInSettings();
}

function standInSettings(): TrackingSettings {
  const log = new CaptureLog(new Logger('PostHogCapture'));
  return {
    context: true,
    requests: false,
    exceptions: null,
    warn: (kind, text) => log.warn(kind, text),
  };
}
