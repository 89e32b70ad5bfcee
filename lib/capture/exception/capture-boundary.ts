/** The values of `$exception_level`. */
export const EXCEPTION_LEVELS: readonly ExceptionLevel[] = ['fatal', 'error', 'warning', 'log', 'info', 'debug'];

/** Severity of an error in PostHog. */
export type ExceptionLevel = 'fatal' | 'error' | 'warning' | 'log' | 'info' | 'debug';

/** Names of loggers for the same levels. */
const ALIASES: ReadonlyMap<string, ExceptionLevel> = new Map([
  ...EXCEPTION_LEVELS.map((level) => [level, level] as const),
  ['critical', 'fatal'],
  ['alert', 'fatal'],
  ['emergency', 'fatal'],
  ['warn', 'warning'],
  ['notice', 'info'],
  ['trace', 'debug'],
]);

/** The level by PostHog's name or a logger's, in any case; null for anything else. */
export function levelOf(value: unknown): ExceptionLevel | null {
  return (typeof value === 'string' ? ALIASES.get(value.trim().toLowerCase()) : undefined) ?? null;
}

/** The place that decides to capture an error, with the terms of PostHog's specification `exception-event-metadata`. */
export interface CaptureBoundary {
  readonly level: ExceptionLevel;
  /** Category of the place: `generic`, `middleware`, `task`, `logger`, … */
  readonly type: string;
  /** false if the error escapes the request or job. */
  readonly handled: boolean;
  /** The integration, as `<technology>.<hook>` in lower case. Absent for a call of the application. */
  readonly source?: string;
}

/** `captureException()` of the application. */
export const MANUAL: CaptureBoundary = { level: 'error', type: 'generic', handled: true };
