import { type CaptureService } from '../capture/capture.service.js';
import { type CaptureStats } from '../capture/capture-stats.js';
import { type EventStats } from '../capture/event-stats.js';
import { type EventWatcher } from '../capture/report/event-reporter.js';
import { NO_NAME, OTHERS } from '../capture/report/event-counts.js';
import { watchEvents } from '../capture/report/watch-events.js';
import { type AnsweredRequest, type EventDrop, type QueuedEvent, type SendFailure } from '../delivery/delivery.js';
import { pathsIn } from '../events/event-catalog.js';
import { type EventFeed, type NewEvent, shortName } from '../live/event-feed.js';
import { type LiveProbe } from '../live/live-view.js';
import { type LiveSample, type LiveState, type LiveTable, type LiveUsage } from '../live/messages.js';
import { definitionCount } from './definitions.js';
import { flagTable } from './flag-table.js';
import { isSuccess, pageState } from './page-state.js';

/** Maximum number of request durations kept per second. */
const MAX_DURATIONS = 1000;

interface PendingEvent {
  readonly name: string;
  readonly more?: Pick<NewEvent, 'definition' | 'problems' | 'broken'>;
}

/** Adds the events of an instance to a feed, and follows them to PostHog's response. */
export class CaptureProbe implements LiveProbe, EventWatcher {
  readonly detach: () => void;
  readonly #capture: CaptureService;
  readonly #feed: EventFeed;
  /** By id. */
  readonly #pending = new Map<string, PendingEvent>();
  /** The event that is queued next, if it has warnings or was renamed. */
  #altered: (PendingEvent & { readonly id: string }) | null = null;
  #before: CaptureStats;
  #durations: number[] = [];
  #failed = 0;
  #refusedEarly = 0;
  #last: AnsweredRequest | null = null;

  constructor(capture: CaptureService, feed: EventFeed) {
    this.#capture = capture;
    this.#feed = feed;
    this.#before = capture.stats();
    this.detach = watchEvents(capture, this);
  }

  altered(event: QueuedEvent, name: string, warnings: readonly string[]): void {
    const definition = name === event.name ? undefined : name;
    const more = { definition, problems: warnings, broken: warnings.flatMap(pathsIn) };
    this.#altered = { id: event.id, name: event.name, more };
  }

  queued(event: QueuedEvent): void {
    this.#feed.count(event.name, 'captured');
    this.#await(event);
    this.#add(event, 'queued');
  }

  sending(events: readonly QueuedEvent[], attempt: number): void {
    for (const event of events) {
      // Captured before the page was opened, or already removed from the feed.
      this.#await(event);
      if (!this.#feed.has(event.id)) this.#add(event, 'sending');
      this.#feed.move(event.id, 'sending', { attempts: attempt });
    }
  }

  answered(request: AnsweredRequest): void {
    // Aborted by the caller, so it says nothing about PostHog.
    if (request.failure === 'aborted') return;
    // A request that was aborted by its caller says nothing about the receiver.
    if (request.failure !== 'aborted') this.#last = request;
    if (!isSuccess(request)) this.#failed += 1;
    if (this.#durations.length < MAX_DURATIONS) this.#durations.push(request.durationMs);
  }

  retrying(events: readonly QueuedEvent[], delayMs: number | null, { message }: SendFailure): void {
    const when = delayMs === null ? 'when sending resumes' : `in ${(delayMs / 1000).toFixed(1)} s`;
    for (const { id } of events) this.#feed.move(id, 'retrying', { note: `${message}; next attempt ${when}` });
  }

  delivered(events: readonly QueuedEvent[]): void {
    for (const { id, name } of events) {
      this.#settle(id);
      this.#feed.count(name, 'delivered');
      this.#feed.move(id, 'delivered');
    }
  }

  dropped({ uuid, event, reason, detail }: EventDrop): void {
    const note = `${reason}: ${detail}`;
    const name = event.trim() === '' ? '(no name)' : event;
    this.#feed.count(name, 'dropped');
    if (uuid !== null) this.#settle(uuid);
    if (uuid !== null && this.#feed.has(uuid)) {
      this.#feed.move(uuid, 'dropped', { note });
      return;
    }
    const id = uuid ?? `refused-${++this.#refusedEarly}`;
    const row = { id, name, text: null, bytes: 0, at: Date.now(), broken: pathsIn(detail) };
    this.#feed.add(row, 'dropped', { note });
  }

  gone(events: readonly QueuedEvent[]): void {
    for (const { id } of events) {
      this.#settle(id);
      this.#feed.move(id, 'queued', { note: 'taken over by another process' });
    }
  }

  state(): LiveState {
    const definitions = definitionCount(this.#capture);
    return { ...pageState(this.#capture.stats(), this.#last, this.#capture.disabled), definitions };
  }

  table(): LiveTable | null {
    const { flags } = this.#capture.stats();
    return flags && flagTable(flags, Date.now());
  }

  usage(): LiveUsage[] {
    return this.#capture.stats().byEvent.map(usageOf);
  }

  sample(): LiveSample {
    const stats = this.#capture.stats();
    const durations = this.#durations.sort((one, other) => one - other);
    const sample = {
      pending: stats.pending,
      inFlight: stats.inFlight,
      captured: stats.captured - this.#before.captured,
      delivered: stats.delivered - this.#before.delivered,
      retries: stats.retries - this.#before.retries,
      failed: this.#failed,
      median: durations[Math.floor(durations.length / 2)] ?? null,
      slowest: durations.at(-1) ?? null,
    };
    this.#before = stats;
    this.#durations = [];
    this.#failed = 0;
    return sample;
  }

  #await({ id, name }: QueuedEvent): void {
    if (this.#pending.has(id)) return;
    this.#pending.set(id, this.#altered?.id === id ? this.#altered : { name });
    this.#altered = null;
    this.#feed.count(name, 'pending');
  }

  #settle(id: string): void {
    const pending = this.#pending.get(id);
    if (pending !== undefined && this.#pending.delete(id)) this.#feed.count(pending.name, 'pending', -1);
  }

  #add({ id, name, payload, bytes, capturedAt }: QueuedEvent, fate: string): void {
    const event = { id, name, text: payload, bytes, at: capturedAt };
    this.#feed.add({ ...event, ...this.#pending.get(id)?.more }, fate);
  }
}

function usageOf({ event, captured, dropped, droppedByReason, bytes, personlessShare }: EventStats): LiveUsage {
  const usage = { captured, dropped, drops: droppedByReason, bytes, personlessShare };
  const isGroup = event === OTHERS || event === NO_NAME;
  return { name: shortName(event), ...usage, ...(isGroup && { isGroup }) };
}
