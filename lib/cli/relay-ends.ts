import { describeUrl } from '../options/describe-value.js';
import { type OpenDatabase, openDatabase } from '../outbox/open-database.js';
import { sqlOutbox } from '../outbox/sql-outbox.js';
import { type CaptureQueue, type RelaySource } from '../queue/capture-queue.js';
import { redisQueue } from '../redis/redis-queue.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { type Flags } from './flags.js';
import { messageOf, UsageError } from './terminal.js';

/** Where the relay takes events from, and where it takes them to. */
interface RelayEnds {
  readonly options: { readonly source: RelaySource; readonly queue?: CaptureQueue };
  /** In words. */
  readonly route: string;
  /** Closes the database. */
  readonly close: () => Promise<void>;
}

/** @throws UsageError if there is nothing to take events from, or it cannot be used */
export function openRelayEnds(values: Flags['values']): RelayEnds {
  const queueUrl = values.get('queue') ?? process.env.POSTHOG_QUEUE_URL?.trim() ?? '';
  const outboxUrl = values.get('outbox') ?? process.env.POSTHOG_OUTBOX_URL?.trim() ?? '';
  const project = values.get('project');
  const table = values.get('outbox-table');
  if (queueUrl === '' && outboxUrl === '')
    throw new UsageError(
      'the queue is missing: set POSTHOG_QUEUE_URL=redis://…, or add --queue; for an outbox, set POSTHOG_OUTBOX_URL, or add --outbox',
    );
  if (project !== undefined && queueUrl === '')
    throw new UsageError('--project names the project in a queue: add --queue');
  if (table !== undefined && outboxUrl === '') throw new UsageError('--outbox-table names a table: add --outbox');
  const queue = queueUrl === '' ? undefined : openQueue(queueUrl, project);
  if (outboxUrl === '' && queue) {
    const route = `takes events from ${describeUrl(queueUrl, undefined)} and sends them to PostHog`;
    return { options: { source: queue }, route, close: () => Promise.resolve() };
  }
  const { source, close } = openOutbox(outboxUrl, table);
  const receiver = queue ? `puts them into ${describeUrl(queueUrl, undefined)}` : 'sends them to PostHog';
  const route = `takes events from ${describeUrl(outboxUrl, undefined)} and ${receiver}`;
  return { options: { source, ...(queue && { queue }) }, route, close };
}

function openQueue(url: string, project: string | undefined): CaptureQueue {
  return usable(`the queue ${describeUrl(url, undefined)}`, () =>
    redisQueue({ connection: url, ...(project !== undefined && { project }) }),
  );
}

function openOutbox(url: string, table: string | undefined): Pick<OpenDatabase, 'close'> & { source: RelaySource } {
  return usable(`the outbox ${describeUrl(url, undefined)}`, () => {
    const { run, dialect, close } = openDatabase(url);
    return { source: sqlOutbox({ run, dialect, ...(table !== undefined && { table }) }), close };
  });
}

function usable<Result>(what: string, open: () => Result): Result {
  try {
    return open();
  } catch (error) {
    const problem = error instanceof PostHogConfigurationError ? error.problems.join('; ') : messageOf(error);
    throw new UsageError(`cannot use ${what}: ${problem}`);
  }
}
