import { fieldOf, isMissing } from '../../shared/untrusted-values.js';
import { hasCause, isError, membersOf, unwrap } from './thrown-value.js';

/** Errors of one event. PostHog's limit. */
const MAX_ERRORS = 50;
/** Members of all AggregateErrors of one event that are looked at, including those that are listed already. */
const MAX_MEMBERS = 1000;

/** The relation of an error to its parent. `inner` is the error of a SuppressedError that suppressed the other. */
export type Relation = 'cause' | 'member' | 'inner' | 'suppressed';

/** An error, and the reason why it belongs to the event. */
export interface TreeNode {
  readonly error: unknown;
  /** undefined for the error that was captured. */
  readonly relation: Relation | undefined;
  /** Index of the parent; undefined for the error that was captured. */
  readonly parent: number | undefined;
}

/**
 * An error with its causes and members: depth first, each parent before its children, the cause before the members. No object occurs twice;
 * at most 50 errors. Never throws.
 */
export function errorTree(thrown: unknown): readonly TreeNode[] {
  const walk = new TreeWalk();
  walk.add(thrown);
  return walk.nodes;
}

class TreeWalk {
  readonly nodes: TreeNode[] = [];
  readonly #seen = new Set<unknown>();
  #members = 0;

  add(thrown: unknown, relation?: Relation, parent?: number): void {
    if (this.nodes.length >= MAX_ERRORS) return;
    const error = unwrap(thrown);
    if (typeof error === 'object' && error !== null) {
      if (this.#seen.has(error)) return;
      this.#seen.add(error);
    }
    const id = this.nodes.push({ error, relation, parent }) - 1;
    if (!hasCause(error)) return;
    this.#addField(error, 'cause', 'cause', id);
    if (isSuppressed(error)) {
      this.#addField(error, 'error', 'inner', id);
      this.#addField(error, 'suppressed', 'suppressed', id);
    }
    this.#addMembers(error, id);
  }

  #addField(error: unknown, field: string, relation: Relation, parent: number): void {
    const value = fieldOf(error, field);
    if (!isMissing(value)) this.add(value, relation, parent);
  }

  #addMembers(error: unknown, parent: number): void {
    const members = membersOf(error);
    if (members === undefined) return;
    for (let index = 0; index < members.length; index += 1) {
      if (this.#members >= MAX_MEMBERS || this.nodes.length >= MAX_ERRORS) return;
      this.#members += 1;
      this.add(members.read(index), 'member', parent);
    }
  }
}

const isSuppressed = (error: unknown): boolean =>
  isError(error) && fieldOf(fieldOf(error, 'constructor'), 'name') === 'SuppressedError';
