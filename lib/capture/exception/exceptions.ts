import { type ExceptionOptions } from '../../options/exception-options.js';
import { type CaptureBoundary, type ExceptionLevel } from './capture-boundary.js';
import { CapturedErrors } from './captured-errors.js';
import { ExceptionLimit } from './exception-limit.js';
import { type ExceptionEntry, exceptionList } from './exception-list.js';
import { FrameDescriber } from './frame-describer.js';
import { releaseAndTrace, type ReleaseAndTrace } from './release-and-trace.js';
import { typeOf, unwrap } from './thrown-value.js';

/** The detail of a drop as `rate_limited`. */
export const RATE_LIMITED =
  'more errors of one type than exceptions.limit allows; the next one that is captured has the count';

/** A value to be captured as an error. */
export interface Thrown {
  /** As returned by `unwrap`. */
  readonly error: unknown;
  readonly boundary: CaptureBoundary;
  /** Overrides the level of the boundary. */
  readonly level: ExceptionLevel | undefined;
  readonly fingerprint: string | undefined;
  /** The method that the application called. */
  readonly calledFrom: unknown;
}

/** The properties of PostHog's `$exception` event. */
export interface ExceptionProperties {
  readonly $exception_list: ExceptionEntry[];
  /** Type and message of the first entry, which insights can filter by. */
  readonly $exception_type: string;
  readonly $exception_message: string;
  readonly $exception_level: ExceptionLevel;
  readonly $exception_source?: string;
  readonly $exception_fingerprint?: string;
  /** Number of errors of this type that the limit suppressed since the last event. */
  readonly $exception_suppressed?: number;
}

/** An error that passed the limit: properties that nothing overrides, and properties that are defaults. */
export interface DescribedException {
  readonly properties: ExceptionProperties;
  readonly defaults: ReleaseAndTrace;
}

/** The errors of one instance. */
export class Exceptions {
  readonly #limit: ExceptionLimit | undefined;
  readonly #frames: FrameDescriber;
  readonly #captured = new CapturedErrors();

  constructor({ limit, sourceContext = true }: ExceptionOptions = {}) {
    this.#limit = limit === false ? undefined : new ExceptionLimit(limit);
    this.#frames = new FrameDescriber(sourceContext);
  }

  /** The uuid of the event that a value has already; null if it has none in this process; undefined if the value is new. */
  capturedAs(thrown: unknown): string | null | undefined {
    return this.#captured.find(unwrap(thrown));
  }

  /** @param uuid null if the event was dropped */
  remember({ error }: Pick<Thrown, 'error'>, uuid: string | null): void {
    this.#captured.add(error, uuid);
  }

  /**
   * True for an error beyond the limit, which costs no more than a look at its type. It is counted and remembered. The error that ends the
   * process is never beyond it.
   */
  suppresses(thrown: unknown, boundary?: CaptureBoundary): boolean {
    if (boundary?.level === 'fatal') return false;
    const error = unwrap(thrown);
    const isSuppressed = this.#limit?.suppresses(typeOf(error)) === true;
    if (isSuppressed) this.#captured.add(error, null);
    return isSuppressed;
  }

  /** Counts an error that is described elsewhere. Returns the number of errors of its type that were suppressed before it. */
  admit(thrown: unknown): number {
    return this.#limit?.pass(typeOf(unwrap(thrown))) ?? 0;
  }

  /** null for an error beyond the limit. Never throws. */
  describe({ error, boundary, level, fingerprint, calledFrom }: Thrown): DescribedException | null {
    const passed = this.#limit === undefined ? 0 : this.#limit.pass(typeOf(error));
    if (passed === null && boundary.level !== 'fatal') return null;
    const suppressed = passed ?? 0;
    const list = exceptionList(error, boundary, this.#frames, calledFrom);
    const { source } = boundary;
    return {
      properties: {
        $exception_list: list,
        $exception_type: list[0]?.type ?? '',
        $exception_message: list[0]?.value ?? '',
        $exception_level: level ?? boundary.level,
        ...(source !== undefined && { $exception_source: source }),
        ...(fingerprint !== undefined && { $exception_fingerprint: fingerprint }),
        ...(suppressed > 0 && { $exception_suppressed: suppressed }),
      },
      defaults: releaseAndTrace(),
    };
  }
}
