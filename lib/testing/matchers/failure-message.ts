import { didYouMean } from '../../shared/did-you-mean.js';
import { type CaptureRecorder, plural } from '../recording/capture-recorder.js';
import { type Difference } from '../recording/expected-event.js';
import { type RecordedEvent } from '../recording/recording.js';
import { show } from './show.js';

/** How the test runner marks what was expected and what came instead. */
export interface Colors {
  EXPECTED_COLOR(text: string): string;
  RECEIVED_COLOR(text: string): string;
}

/** An event of the name that was expected, and where it is not as expected. */
export interface Candidate {
  readonly event: RecordedEvent;
  readonly differences: readonly Difference[];
}

/** More events than this are only counted. */
const MAX_EVENTS = 3;
/** What every event has, and nobody looks for. */
const USUAL: readonly string[] = ['$lib', '$lib_version', '$is_server', '$geoip_disable'];

/** Says what was captured in place of what was expected. */
export class FailureMessage {
  constructor(
    private readonly colors: Colors,
    private readonly recorder: CaptureRecorder,
    private readonly name: string,
    private readonly candidates: readonly Candidate[],
  ) {}

  /** None was as expected. */
  missing(): string {
    const { candidates } = this;
    if (candidates.length === 0) return this.message(`No ${this.quoted} was captured.${this.hint()}`);
    const closest = [...candidates].sort((a, b) => a.differences.length - b.differences.length);
    const never = candidates.length === 1 ? 'but not as expected' : 'but never as expected. The closest first';
    return this.message(`${this.quoted} was captured ${times(candidates.length)}, ${never}:`, closest);
  }

  /** Some were there that should not be. */
  unwanted(): string {
    const found = this.asExpected;
    return this.message(`${this.quoted} was captured ${times(found.length)} and should not have been:`, found);
  }

  /**
   * There were more or fewer than expected, or as many as there should not be.
   *
   * @param isQualified whether the expected events were described
   */
  miscounted(count: number, expected: number, isNot: boolean, isQualified: boolean): string {
    const so = isQualified ? ' as expected' : '';
    const wanted = `${this.expected(expected)} ${plural('time', expected)}${so}`;
    if (isNot) {
      const unwanted = `${this.quoted} should not have been captured ${wanted}`;
      return count === 0 ? this.message(`${unwanted}.`) : this.message(`${unwanted}, but was:`, this.asExpected);
    }
    const found = `${this.received(count)} ${plural('time', count)}`;
    const first = `${this.quoted} should have been captured ${wanted}, but was ${found}`;
    if (this.candidates.length === 0) return this.message(`${first}.${this.hint()}`);
    return this.message(`${first}:`, this.candidates);
  }

  private get asExpected(): Candidate[] {
    return this.candidates.filter(({ differences }) => differences.length === 0);
  }

  private expected(value: unknown): string {
    return this.colors.EXPECTED_COLOR(show(value));
  }

  private received(value: unknown): string {
    return this.colors.RECEIVED_COLOR(show(value));
  }

  private get quoted(): string {
    return JSON.stringify(this.name);
  }

  private message(first: string, events: readonly Candidate[] = []): string {
    const shown = events.slice(0, MAX_EVENTS).map((candidate) => this.describe(candidate));
    const more = events.length > MAX_EVENTS ? [`  and ${events.length - MAX_EVENTS} more`] : [];
    return [[first, ...shown, ...more].join('\n'), this.recorder.summary()].join('\n\n');
  }

  private describe({ event, differences }: Candidate): string {
    const number = this.candidates.findIndex((candidate) => candidate.event === event) + 1;
    const properties = Object.fromEntries(Object.entries(event.properties).filter(([key]) => !USUAL.includes(key)));
    const lines = differences.map((difference) => `     ${this.describeDifference(difference)}`);
    return [`  ${number}. of ${JSON.stringify(event.distinctId)}, with ${this.received(properties)}`, ...lines].join(
      '\n',
    );
  }

  private describeDifference({ path, expected, received, near }: Difference): string {
    const wanted = expected === undefined ? 'nothing' : this.expected(expected);
    const found = received === undefined ? 'it is not there' : `received ${this.received(received)}`;
    const meant = near === undefined ? '' : `, but there is ${JSON.stringify(near)}`;
    return `${path === '' ? 'the event' : path}: expected ${wanted}, ${found}${meant}`;
  }

  /** Why it may be that there is none. */
  private hint(): string {
    const { recorder, name } = this;
    const near = didYouMean(
      name,
      recorder.events.map(({ event }) => event),
    );
    if (near !== undefined) return ` There is ${JSON.stringify(near)}.`;
    if (recorder.dropped.some(({ event }) => event === name)) return ' It was dropped.';
    if (!recorder.isRecording) return '';
    return ' Is the call over, and did it succeed? @TrackEvent captures at the end of a call, and only a success unless "on" says otherwise.';
  }
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);
