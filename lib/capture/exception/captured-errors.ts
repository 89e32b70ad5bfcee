import { processSingleton } from '../../shared/process-singleton.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { isError } from './thrown-value.js';

/** The mark of PostHog's own clients, which they read as well. */
const MARK = '__posthog_previously_captured_error';

/** The errors that this package marked: a second instance captures them for its own project. */
const marked = processSingleton('marked-errors', () => new WeakSet());

/** The errors that an instance has captured. An Error object is one event, however many filters and handlers see it. */
export class CapturedErrors {
  readonly #uuids = new WeakMap<object, string | null>();

  /** The uuid of the event of this error, null if it has none in this process, and undefined if the error is new. */
  find(error: unknown): string | null | undefined {
    if (typeof error !== 'object' || error === null) return undefined;
    const uuid = this.#uuids.get(error);
    if (uuid !== undefined) return uuid;
    return fieldOf(error, MARK) === true && !marked.has(error) ? null : undefined;
  }

  /** @param uuid null if the event was dropped */
  add(error: unknown, uuid: string | null): void {
    if (typeof error !== 'object' || error === null) return;
    this.#uuids.set(error, uuid);
    if (!isError(error) || marked.has(error)) return;
    marked.add(error);
    try {
      // Not enumerable, so that no log or response shows it.
      Object.defineProperty(error, MARK, { value: true, configurable: true, writable: true });
    } catch {
      // A frozen error: only this package knows it.
    }
  }
}
