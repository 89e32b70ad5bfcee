import { type QueueEnd, type QueueRole } from '../../queue/queue-monitor.js';

/** Words and sentences of an instance that depend on where its events go, and where they come from. */
export interface Route {
  /** Takes the events of this instance. */
  readonly receiver: string;
  /** Remedy for events that are captured faster than the receiver accepts them. */
  readonly backlogRemedy: string;
  /** Keeps the events until their fate is known. */
  readonly storeName: string;
  /** The consequence of a store that fails. */
  readonly storeFailed: string;
  readonly storeWorks: string;
  readonly storeRemedy: string;
}

const SHARED_QUEUE = 'the shared queue';
const OUTBOX = 'the outbox';

const DIRECT: Route = {
  receiver: 'PostHog',
  backlogRemedy:
    'events are captured faster than PostHog accepts them: raise maxQueueEvents and maxQueueBytes, or await ready() in bulk work',
  storeName: 'the store',
  storeFailed: 'Events captured from now on are in memory only, until the store works again',
  storeWorks: 'The store works again and has all pending events',
  storeRemedy: "check its disk's free space, its maxBytes, and whether this process may write there",
};

const ROUTES: Readonly<Record<QueueRole, Route>> = {
  pod: {
    ...DIRECT,
    receiver: SHARED_QUEUE,
    backlogRemedy:
      'events are captured faster than the shared queue accepts them: check stats().queue, raise maxQueueEvents and maxQueueBytes, ' +
      'or await ready() in bulk work',
  },
  relay: {
    ...DIRECT,
    backlogRemedy:
      'events arrive faster than PostHog accepts them: start another relay, or raise concurrency; if that does not help, check PostHog',
    storeName: SHARED_QUEUE,
    storeFailed: 'Nothing is taken from it, and delivered events stay in it, until it works again',
    storeWorks: 'The shared queue works again',
    storeRemedy:
      "check that the queue's server runs, and that this process can reach it and has the permissions of docs/fleet.md",
  },
};

const FROM_OUTBOX: Route = {
  ...ROUTES.relay,
  backlogRemedy:
    'events arrive faster than PostHog accepts them: raise concurrency; if that does not help, check PostHog',
  storeName: OUTBOX,
  storeWorks: 'The outbox works again',
  storeRemedy:
    'check that its database runs, and that this process can reach it and has the permissions of docs/outbox.md',
};

/** A relay that puts the events of an outbox into a shared queue. */
const FROM_OUTBOX_TO_QUEUE: Route = {
  ...FROM_OUTBOX,
  receiver: SHARED_QUEUE,
  backlogRemedy: ROUTES.pod.backlogRemedy,
};

/** @param end nothing for an instance without a shared queue and outbox */
export function routeOf(end?: QueueEnd | null): Route {
  if (!end) return DIRECT;
  if (end.kind !== 'outbox') return ROUTES[end.role];
  return end.handsOn === true ? FROM_OUTBOX_TO_QUEUE : FROM_OUTBOX;
}

/** For the beginning of a sentence. */
export function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
