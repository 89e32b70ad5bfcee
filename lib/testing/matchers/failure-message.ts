import { didYouMean } from '../../shared/did-you-mean.js';
import { type CaptureRecorder, plural } from '../recording/capture-recorder.js';
import { type Difference } from '../recording/expected-event.js';
import { type RecordedEvent } from '../recording/recording.js';
import { show } from './show.js';

/** The colours of the test runner. */
export interface Colors {
  EXPECTED_COLOR(text: string): string;
  RECEIVED_COLOR(text: string): string;
}

/** A captured event with the expected name. */
export interface Candidate {
  readonly event: RecordedEvent;
  readonly differences: readonly Difference[];
}

/** Number of events that a message describes. */
const MAX_EVENTS = 3;
/** Properties of every event, which a message omits. */
const COMMON_PROPERTIES: readonly string[] = ['$lib', '$lib_version', '$is_server', '$geoip_disable'];
/** Omitted as well: `$exception_type` and `$exception_message` have its essence. */
const EXCEPTION_LIST = '$exception_list';

export class FailureMessage {
  readonly #colors: Colors;
  readonly #recorder: CaptureRecorder;
  readonly #name: string;
  readonly #candidates: readonly Candidate[];

  constructor(colors: Colors, recorder: CaptureRecorder, name: string, candidates: readonly Candidate[]) {
    this.#colors = colors;
    this.#recorder = recorder;
    this.#name = name;
    this.#candidates = candidates;
  }

  /** For `toHaveCaptured`: no event matches. */
  missing(): string {
    const candidates = this.#candidates;
    if (candidates.length === 0) return this.#message(`${this.#quotedName} was not captured.${this.#hint()}`);
    const closestFirst = [...candidates].sort((a, b) => a.differences.length - b.differences.length);
    const never = candidates.length === 1 ? 'but not as expected' : 'but never as expected. Closest first';
    return this.#message(`${this.#quotedName} was captured ${times(candidates.length)}, ${never}:`, closestFirst);
  }

  /** For `not.toHaveCaptured`: some events match. */
  unwanted(): string {
    const matching = this.#matching;
    return this.#message(
      `${this.#quotedName} should not have been captured, but was captured ${times(matching.length)}:`,
      matching,
    );
  }

  /**
   * For `toHaveCapturedTimes`.
   *
   * @param isQualified true: the assertion specified expected fields
   */
  miscounted(count: number, expected: number, isNot: boolean, isQualified: boolean): string {
    const fields = isQualified ? ' with the expected fields' : '';
    const wanted = `${this.#expected(expected)} ${plural('time', expected)}${fields}`;
    if (isNot) {
      const unwanted = `${this.#quotedName} should not have been captured ${wanted}`;
      return count === 0 ? this.#message(`${unwanted}.`) : this.#message(`${unwanted}, but was:`, this.#matching);
    }
    const found = `${this.#received(count)} ${plural('time', count)}`;
    const first = `${this.#quotedName} should have been captured ${wanted}, but was captured ${found}`;
    if (this.#candidates.length === 0) return this.#message(`${first}.${this.#hint()}`);
    return this.#message(`${first}:`, this.#candidates);
  }

  get #matching(): Candidate[] {
    return this.#candidates.filter(({ differences }) => differences.length === 0);
  }

  get #quotedName(): string {
    return JSON.stringify(this.#name);
  }

  #expected(value: unknown): string {
    return this.#colors.EXPECTED_COLOR(show(value));
  }

  #received(value: unknown): string {
    return this.#colors.RECEIVED_COLOR(show(value));
  }

  #message(first: string, events: readonly Candidate[] = []): string {
    const shown = events.slice(0, MAX_EVENTS).map((candidate) => this.#describe(candidate));
    const more = events.length > MAX_EVENTS ? [`  and ${events.length - MAX_EVENTS} more`] : [];
    return [[first, ...shown, ...more].join('\n'), this.#recorder.summary()].join('\n\n');
  }

  #describe({ event, differences }: Candidate): string {
    const number = this.#candidates.findIndex((candidate) => candidate.event === event) + 1;
    const properties = Object.fromEntries(
      Object.entries(event.properties).filter(([key]) => !COMMON_PROPERTIES.includes(key) && key !== EXCEPTION_LIST),
    );
    return [
      `  ${number}. distinctId: ${JSON.stringify(event.distinctId)}, properties: ${this.#received(properties)}`,
      ...differences.map((difference) => `     ${this.#describeDifference(difference)}`),
    ].join('\n');
  }

  #describeDifference({ path, expected, received, near }: Difference): string {
    const wanted = expected === undefined ? 'no value' : this.#expected(expected);
    const found = received === undefined ? 'but it is missing' : `received ${this.#received(received)}`;
    const meant = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
    return `${path === '' ? 'the event' : path}: expected ${wanted}, ${found}${meant}`;
  }

  /** Suggests why no event with the name was captured. */
  #hint(): string {
    const { events, dropped, isRecording } = this.#recorder;
    const near = didYouMean(
      this.#name,
      events.map(({ event }) => event),
    );
    if (near !== undefined) return ` Did you mean ${JSON.stringify(near)}?`;
    if (dropped.some(({ event }) => event === this.#name)) return ' It was dropped.';
    if (!isRecording) return '';
    return ' Has the call completed, and did it succeed? @TrackEvent captures when a call ends, and by default only if it succeeds.';
  }
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);
