import { type ContextStorage } from '../context/context-storage.js';
import { type Delivery } from '../delivery/delivery.js';
import { type EventIntake } from './event/event-intake.js';
import { type Exceptions } from './exception/exceptions.js';
import { type QueueStats } from '../queue/queue-monitor.js';
import { type EventReporter } from './report/event-reporter.js';

/** @internal */
export interface CaptureParts {
  readonly contexts: ContextStorage;
  readonly intake: EventIntake;
  readonly exceptions: Exceptions;
  /** null for a disabled instance. Replaced before the application starts if a module puts another delivery in front of it. */
  pipeline: Delivery | null;
  readonly reporter: EventReporter;
  /** The state of the shared queue. Absent without one. */
  readonly queueStats?: () => QueueStats;
  /** Called in `onModuleInit`; may throw. */
  readonly onStart?: () => void;
  /** Called in `onApplicationShutdown`. */
  readonly onClose?: () => void;
  /** Called when `onApplicationShutdown` is over. */
  readonly onClosed?: () => void;
}
