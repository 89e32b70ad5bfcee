import { type CheckedContext } from '../context/capture-context.js';
import { type CallFlags, contextOf, type ContextScope, currentScope, lowestLayer } from '../context/context-scope.js';
import { toJson } from '../json/safe-json.js';
import { fieldOf, isObject } from '../shared/untrusted-values.js';
import { FlagMemo, type FlagRecord } from './flag-memo.js';
import { type FlagValue } from './flag-snapshot.js';

/** More persons than any call reads flags of at the same time; the flags of older ones are evaluated again. */
const MAX_PERSONS = 1000;
/** Limits for the data of a job. */
const MAX_EXPORTED_PERSONS = 20;
const MAX_EXPORTED_BYTES = 16 * 1024;

/** Values as another process has exported them: those of one question, by flag; null for a value that was not known. */
interface ExportedFlags {
  readonly values: Readonly<Record<string, FlagValue | null>>;
  readonly payloads?: Readonly<Record<string, unknown>>;
}

/** The memos of one call: a request, a message, a job, or the outermost `withContext`. */
export class CallMemos implements CallFlags {
  /** The person whose values were attached while the context had none; null if there were several. */
  attachedPerson: string | null | undefined;
  /** Flags whose values were attached while the context had no person. */
  readonly attachedKeys = new Set<string>();
  readonly #byOwner = new Map<object, Map<string, FlagMemo>>();

  /** @param owner the service that evaluates: each has values of its own */
  memoOf(owner: object, id: string): FlagMemo {
    let memos = this.#byOwner.get(owner);
    if (memos === undefined) this.#byOwner.set(owner, (memos = new Map<string, FlagMemo>()));
    const known = memos.get(id);
    if (known !== undefined) return known;
    const [oldest] = memos.keys();
    if (memos.size >= MAX_PERSONS && oldest !== undefined) memos.delete(oldest);
    const memo = new FlagMemo(id);
    memos.set(id, memo);
    return memo;
  }

  export(carried: CheckedContext['flags']): CheckedContext['flags'] {
    const exported: Record<string, unknown> = { ...carried };
    const memos = [...this.#byOwner.values()].flatMap((one) => [...one.values()]).reverse();
    let persons = 0;
    let left = MAX_EXPORTED_BYTES;
    for (const memo of memos) {
      const own = exportOf(memo.records);
      if (own === undefined) continue;
      const json = toJson(mergeFlags(exported[memo.digest], own), left);
      if (json === 'too_large') continue;
      left -= json.bytes;
      exported[memo.digest] = JSON.parse(json.text);
      if (++persons === MAX_EXPORTED_PERSONS) break;
    }
    return persons === 0 ? carried : exported;
  }
}

/** The memo of a question in the current call; a new one outside of any call. */
export function currentMemo(owner: object, id: string): FlagMemo {
  const scope = currentScope.getStore();
  return scope === undefined ? new FlagMemo(id) : memosOf(scope).memoOf(owner, id);
}

export function memosOf(scope: ContextScope): CallMemos {
  const call = lowestLayer(scope);
  if (call.flags instanceof CallMemos) return call.flags;
  const memos = new CallMemos();
  call.flags = memos;
  return memos;
}

/** A value that the current context has got from another process, where the job or message comes from. */
export function carriedRecord(memo: FlagMemo, key: string): FlagRecord | undefined {
  const scope = currentScope.getStore();
  const carried = scope === undefined ? undefined : contextOf(scope).flags;
  if (carried === undefined) return undefined;
  const flags = ownField(carried, memo.digest);
  const value = ownField(fieldOf(flags, 'values'), key);
  if (value !== null && typeof value !== 'boolean' && typeof value !== 'string') return undefined;
  const payloads = fieldOf(flags, 'payloads');
  return {
    key,
    value: value ?? undefined,
    payload: ownField(payloads, key),
    degraded: undefined,
    snapshot: undefined,
    isExposed: true,
    isRead: true,
    isPayloadRead: isObject(payloads) && Object.hasOwn(payloads, key),
  };
}

function exportOf(records: Iterable<FlagRecord>): ExportedFlags | undefined {
  const values: Record<string, FlagValue | null> = {};
  const payloads: Record<string, unknown> = {};
  for (const { key, value, payload, isRead, isPayloadRead } of records) {
    if (isRead) values[key] = value ?? null;
    if (isPayloadRead) payloads[key] = payload ?? null;
  }
  if (Object.keys(values).length === 0) return undefined;
  return Object.keys(payloads).length === 0 ? { values } : { values, payloads };
}

/** Values of the call take precedence nowhere: what was carried has been read first. */
function mergeFlags(carried: unknown, own: ExportedFlags): ExportedFlags {
  const values = fieldOf(carried, 'values');
  const payloads = fieldOf(carried, 'payloads');
  const merged = { values: { ...own.values, ...(isObject(values) && (values as ExportedFlags['values'])) } };
  const all = { ...own.payloads, ...(isObject(payloads) && payloads) };
  return Object.keys(all).length === 0 ? merged : { ...merged, payloads: all };
}

function ownField(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
