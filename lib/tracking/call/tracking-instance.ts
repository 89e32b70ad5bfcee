import { Logger } from '@nestjs/common';
import { type CaptureService } from '../../capture/capture.service.js';
import { LogLimiter } from '../../capture/report/log-limiter.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { type RequestTrackingOptions } from '../../options/posthog-capture.options.js';

/** What tracking is told of one instance. */
export interface TrackingSettings {
  /** Whether requests and messages are given a context. */
  readonly context: boolean;
  readonly requests: boolean | RequestTrackingOptions;
  /** Writes a line, at most one per kind and minute. */
  readonly warn: (kind: string, text: string) => void;
}

/** Beside the service, because what is injected under its token may as well be a test's stand-in, which has none. */
const known = processSingleton('tracking-settings', () => new WeakMap<object, TrackingSettings>());

export function rememberSettings(capture: CaptureService, settings: TrackingSettings): void {
  known.set(capture, settings);
}

export function settingsOf(capture: CaptureService): TrackingSettings {
  return known.get(capture) ?? standInSettings();
}

function standInSettings(): TrackingSettings {
  const limiter = new LogLimiter();
  const logger = new Logger('PostHogCapture');
  return {
    context: true,
    requests: false,
    warn: (kind, text) => {
      if (limiter.pass(kind) !== null) logger.warn(text);
    },
  };
}
