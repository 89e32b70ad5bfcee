import { type FlagStats } from '../capture/flag-stats.js';
import { type FlagQuestion } from './flag-question.js';
import { type FlagAnswer } from './flag-snapshot.js';

/** Evaluates flags. */
export interface FlagSource {
  /**
   * Never rejects.
   *
   * @param also flags that are evaluated as well if a request is made
   */
  evaluate(question: FlagQuestion, keys: readonly string[], also: readonly string[]): Promise<FlagAnswer>;
  /** Called while no person is known. */
  withoutPerson(keys: readonly string[]): FlagAnswer;
  readonly state: Pick<FlagStats, 'source' | 'definitionsAgeMs' | 'definitionsEveryMs' | 'coolDownUntil' | 'lastError'>;
  /** Called at boot. Throws if the source cannot work. */
  start(): Promise<void>;
  close(): Promise<void>;
}
