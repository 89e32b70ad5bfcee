import { type DeliveryReport, type DropReason } from './delivery.js';

/** Where an event stood when it was settled: its place in the queue, or the call that waited for it alone. */
export type Claim = number | object;

/** A period over which somebody wants to know what became of the events captured before it. */
export interface Statement {
  /** Resolves when all of them are settled. */
  readonly settled: Promise<void>;
  report(error: string | null): DeliveryReport;
}

interface OpenStatement {
  /** Queued events before this place are covered. */
  readonly beforeSeq: number;
  /** So are these. */
  readonly calls: Set<object>;
  pending: number;
  delivered: number;
  readonly dropped: Partial<Record<DropReason, number>>;
  settle(): void;
}

/** Counts what was settled, in total and for each statement that is open. */
export class Ledger {
  delivered = 0;
  recovered = 0;
  readonly #open = new Set<OpenStatement>();

  /**
   * Opens a statement over events that are pending now.
   *
   * @param beforeSeq queued events before this place are covered
   * @param pending how many queued events that are
   * @param calls those who wait for an event of their own
   */
  open(beforeSeq: number, pending: number, calls: Iterable<object>): Statement {
    let settle = (): void => undefined;
    const settled = new Promise<void>((resolve) => (settle = resolve));
    const covered = new Set(calls);
    const statement: OpenStatement = {
      beforeSeq,
      calls: covered,
      pending: pending + covered.size,
      delivered: 0,
      dropped: {},
      settle,
    };
    if (statement.pending === 0) settle();
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

  /** An event was delivered (`reason` null) or dropped. */
  settle(claim: Claim, reason: DropReason | null): void {
    if (reason === null) this.delivered += 1;
    for (const statement of this.#open) {
      if (typeof claim === 'number' ? claim >= statement.beforeSeq : !statement.calls.has(claim)) continue;
      statement.pending -= 1;
      if (reason === null) statement.delivered += 1;
      else statement.dropped[reason] = (statement.dropped[reason] ?? 0) + 1;
      if (statement.pending === 0) statement.settle();
    }
  }
}
