import { aiProjectOf, type QueueProblem, type RelaySource } from './capture-queue.js';
import { type MonitorLog, QueueMonitor, type QueueRole, type QueueStats } from './queue-monitor.js';

/** The monitors of an instance: that of its events, and that of its AI events, which runs as soon as there may be any. */
export class LaneMonitors {
  readonly #first: QueueMonitor;
  readonly #ai: QueueMonitor;
  #isStarted = false;
  #watchesAi = false;

  /**
   * @param project as given to the sender or the source
   * @param onAiEvents called at each sample in which the queue has AI events
   */
  constructor(
    queue: Pick<RelaySource, 'sample' | 'kind'>,
    project: string,
    role: QueueRole,
    log: MonitorLog,
    onAiEvents: () => void = () => undefined,
  ) {
    this.#first = new QueueMonitor(queue, project, role, log);
    this.#ai = new QueueMonitor(queue, aiProjectOf(project), role, log, ({ events }) => {
      if (events !== null && events > 0) onAiEvents();
    });
  }

  get stats(): QueueStats {
    return this.#watchesAi ? merged(this.#first.stats, this.#ai.stats) : this.#first.stats;
  }

  start(): void {
    this.#isStarted = true;
    this.#first.start();
    if (this.#watchesAi) this.#ai.start();
  }

  watchAi(): void {
    this.#watchesAi = true;
    if (this.#isStarted) this.#ai.start();
  }

  stop(): void {
    this.#first.stop();
    this.#ai.stop();
  }
}

const STATES = ['ok', 'full', 'down'] as const;

function merged(first: QueueStats, ai: QueueStats): QueueStats {
  return {
    ...first,
    state: STATES[Math.max(STATES.indexOf(first.state), STATES.indexOf(ai.state))] ?? 'ok',
    events: sumOf(first.events, ai.events),
    bytes: sumOf(first.bytes, ai.bytes),
    oldestMs: first.oldestMs === null || ai.oldestMs === null ? null : Math.max(first.oldestMs, ai.oldestMs),
    problems: distinct([...first.problems, ...ai.problems]),
  };
}

const sumOf = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? null : one + other;

const SEVERITIES = ['down', 'degraded', 'note'];

function distinct(problems: readonly QueueProblem[]): readonly QueueProblem[] {
  return [...new Map(problems.map((problem) => [problem.message, problem])).values()].sort(
    (one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity),
  );
}
