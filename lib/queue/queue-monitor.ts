import { backgroundTimer, stopTimer, type Timer } from '../delivery/timers.js';
import { type QueueLog, type QueueProblem, type QueueSample, type RelaySource, UNREACHABLE } from './capture-queue.js';

/** The side of the queue that an instance is on: a pod puts events into it, a relay takes them from it. */
export type QueueRole = 'pod' | 'relay';

/** The state of the shared queue when it was last sampled, at most a few seconds ago. */
export interface QueueStats extends QueueSample {
  readonly role: QueueRole;
  /** True for a relay that puts the events of an outbox into a shared queue. Default: it sends them to PostHog. */
  readonly handsOn?: boolean;
}

/** Where the events of an instance come from and go to. */
export type QueueEnd = Pick<QueueStats, 'role' | 'kind' | 'handsOn'>;

export interface MonitorLog extends QueueLog {
  note(kind: string, text: string): void;
}

const SAMPLE_MS = 5000;
/** In a rolling deployment there may be no relay for a moment. */
const UNATTENDED_MS = 60_000;

const UNKNOWN: QueueSample = { ...UNREACHABLE, state: 'ok' };

const NO_RELAY: QueueProblem = {
  severity: 'degraded',
  message: 'Events wait in the shared queue, and no relay takes them',
  remedy:
    'start a relay (npx posthog-capture relay, or PostHogRelayModule) with the API key, the host and the queue of the pods',
};

const NO_OUTBOX_RELAY: QueueProblem = {
  severity: 'degraded',
  message: 'Events wait in the outbox, and no relay takes them',
  remedy:
    'start a relay (npx posthog-capture relay --outbox, or PostHogRelayModule) with the API key and the host of the application',
};

/** Samples a queue every five seconds, without keeping the process alive, and logs its problems. */
export class QueueMonitor {
  readonly #queue: Pick<RelaySource, 'sample' | 'kind'>;
  readonly #project: string;
  readonly #role: QueueRole;
  readonly #log: MonitorLog;
  readonly #onSample: (sample: QueueSample) => void;
  readonly #noted = new Set<string>();
  #last = UNKNOWN;
  #timer: Timer | null = null;
  #stopped = false;

  /** @param project as given to the sender or the source */
  constructor(
    queue: Pick<RelaySource, 'sample' | 'kind'>,
    project: string,
    role: QueueRole,
    log: MonitorLog,
    onSample: (sample: QueueSample) => void = () => undefined,
  ) {
    this.#onSample = onSample;
    this.#queue = queue;
    this.#project = project;
    this.#role = role;
    this.#log = log;
  }

  get stats(): QueueStats {
    const { kind } = this.#queue;
    return { ...this.#last, role: this.#role, ...(kind && { kind }) };
  }

  start(): void {
    void this.#sample();
  }

  stop(): void {
    this.#stopped = true;
    stopTimer(this.#timer);
  }

  get #isStopped(): boolean {
    return this.#stopped;
  }

  async #sample(): Promise<void> {
    const sample = await this.#queue.sample(this.#project).catch((): QueueSample => ({ ...UNKNOWN, state: 'down' }));
    if (this.#isStopped) return;
    this.#last = { ...sample, problems: problemsOf(sample) };
    for (const problem of this.#last.problems) this.#report(problem);
    this.#onSample(sample);
    this.#timer = backgroundTimer(() => void this.#sample(), SAMPLE_MS);
  }

  #report({ severity, message, remedy }: QueueProblem): void {
    const text = `${message}. Remedy: ${remedy}.`;
    if (severity !== 'note') {
      this.#log.warn(`queue: ${message}`, text);
    } else if (!this.#noted.has(message)) {
      this.#noted.add(message);
      this.#log.note(`queue: ${message}`, text);
    }
  }
}

const SEVERITIES = ['down', 'degraded', 'note'];

function problemsOf({ kind, problems, relays, oldestMs }: QueueSample): readonly QueueProblem[] {
  if (relays !== 0 || (oldestMs ?? 0) <= UNATTENDED_MS) return problems;
  return [...problems, kind === 'outbox' ? NO_OUTBOX_RELAY : NO_RELAY].sort(
    (one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity),
  );
}
