import { Logger } from '@nestjs/common';
import { processSingleton } from '../shared/process-singleton.js';
import { CaptureLog } from './report/capture-log.js';

/** The settings of an instance that other clients of PostHog in the same application share with it. */
export interface ClientSettings {
  /** Empty where the instance needs none. */
  readonly apiKey: string;
  /** The URL that takes events and flag requests, without a trailing slash. */
  readonly host: string;
  readonly disableGeoip: boolean;
  /** true: uncaught errors are captured. */
  readonly observesErrors: boolean;
  /** true: a test records the events, and nothing may be sent. */
  readonly isRecorded: boolean;
  /** Logs at most one line per kind and minute. */
  readonly warn: (kind: string, text: string) => void;
}

/** Beside the service, because a test may provide a stand-in under its token, which has no settings. */
const settings = processSingleton('client-settings', () => new WeakMap<object, ClientSettings>());

export function rememberClientSettings(capture: object, given: ClientSettings): void {
  settings.set(capture, given);
}

export function clientSettingsOf(capture: object): ClientSettings {
  return settings.get(capture) ?? standInSettings();
}

function standInSettings(): ClientSettings {
  const log = new CaptureLog(new Logger('PostHogCapture'));
  return {
    apiKey: 'phc_stand_in',
    host: 'http://127.0.0.1',
    disableGeoip: true,
    observesErrors: false,
    isRecorded: true,
    warn: (kind, text) => log.warn(kind, text),
  };
}
