import { type DropReason } from '../delivery/delivery.js';

/** The events of one name. */
export interface EventStats {
  /** The name; `(others)` for the sum of all further names, and `(no name)` for calls without a name. */
  event: string;
  /** Number of capture calls, including events dropped immediately. */
  captured: number;
  dropped: number;
  droppedByReason: Partial<Record<DropReason, number>>;
  /** Size of the events as JSON in UTF-8, without those dropped immediately. */
  bytes: number;
  /** Events without a person profile (`$process_person_profile: false`), without those dropped immediately. */
  personless: number;
  /** Share of `personless`, from 0 to 1; null if all events were dropped immediately. */
  personlessShare: number | null;
}
