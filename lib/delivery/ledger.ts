import { type DeliveryReport, type DropReason, type ImmediateOutcome, type QueuedEvent } from './delivery.js';
import { EventCount } from './queue/collections.js';

/** Identifies a pending event in the ledger: its place in the order of arrival, or the call that waits for it. */
export type Claim = number | WaitingCall;

/** A caller that waits for the fate of one event. */
export interface WaitingCall {
  answer(outcome: ImmediateOutcome): void;
}

/** Follows the events that were pending when it was opened. */
export interface Statement {
  /** Resolves when all of them are settled. */
  readonly settled: Promise<void>;
  /** Stops following them. */
  report(error: string | null): DeliveryReport;
}

interface OpenStatement {
  /** Covers the queued events that arrived before this place. */
  readonly beforeSeq: number;
  readonly calls: ReadonlySet<WaitingCall>;
  pending: number;
  delivered: number;
  readonly dropped: Partial<Record<DropReason, number>>;
  settle(): void;
}

/** Counts the pending events and the totals, and the fates of the events that an open statement covers. */
export class Ledger {
  readonly pending = new EventCount();
  delivered = 0;
  /** Events recovered from a store, without those that another process took over since. */
  recovered = 0;
  readonly #open = new Set<OpenStatement>();

  /**
   * Opens a statement of all pending events.
   *
   * @param nextSeq the place of the next event to arrive
   * @param calls the calls that wait for their event
   */
  open(nextSeq: number, calls: Iterable<WaitingCall>): Statement {
    let settle = (): void => undefined;
    const settled = new Promise<void>((resolve) => (settle = resolve));
    const pending = this.pending.events;
    const statement: OpenStatement = {
      beforeSeq: nextSeq,
      calls: new Set(calls),
      pending,
      delivered: 0,
      dropped: {},
      settle,
    };
    if (pending === 0) settle();
    else this.#open.add(statement);
    return {
      settled,
      report: (error) => {
        this.#open.delete(statement);
        const { delivered, pending: left, dropped } = statement;
        return { delivered, pending: left, dropped, error: left > 0 ? error : null };
      },
    };
  }

  /** @param reason null: delivered */
  settle(event: QueuedEvent, claim: Claim, reason: DropReason | null): void {
    this.pending.subtract(event);
    if (reason === null) this.delivered += 1;
    for (const statement of this.#open) {
      if (!covers(statement, claim)) continue;
      if (reason === null) statement.delivered += 1;
      else statement.dropped[reason] = (statement.dropped[reason] ?? 0) + 1;
      settleOne(statement);
    }
  }

  /** Another process took over a recovered event. */
  takenOver(event: QueuedEvent, claim: Claim): void {
    this.pending.subtract(event);
    this.recovered -= 1;
    for (const statement of this.#open) if (covers(statement, claim)) settleOne(statement);
  }
}

const covers = ({ beforeSeq, calls }: OpenStatement, claim: Claim): boolean =>
  typeof claim === 'number' ? claim < beforeSeq : calls.has(claim);

function settleOne(statement: OpenStatement): void {
  statement.pending -= 1;
  if (statement.pending === 0) statement.settle();
}
