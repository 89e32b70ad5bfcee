import { types } from 'node:util';
import { type CallSource } from '../context/call-source.js';
import { type CaptureContext } from '../context/capture-context.js';
import { type Warn } from '../shared/unknown-fields.js';
import { callSync, FAILED, isMissing, isObject } from '../shared/untrusted-values.js';

/** The person whose flags are evaluated. */
export interface FlagSubject {
  readonly distinctId: string;
  /** Group type to group key. */
  readonly groups: Readonly<Record<string, string>>;
  /** The current context; `{}` outside of any. */
  readonly context: CaptureContext;
  /** The current call, from which `identity` determines the person; undefined outside of requests and messages. */
  readonly source: CallSource | undefined;
}

/** A group of the person whose flags are evaluated. */
export interface FlagGroup {
  readonly type: string;
  readonly key: string;
}

/** Functions of the application that return properties for conditions of flags. */
export interface SubjectProperties {
  /** Properties of the person, for conditions that PostHog would look up. */
  readonly person?: ((subject: FlagSubject) => Record<string, unknown> | null | undefined) | undefined;
  /** Properties of a group, likewise. */
  readonly group?: ((group: FlagGroup, subject: FlagSubject) => Record<string, unknown> | null | undefined) | undefined;
}

/** Properties of a person and of its groups. */
export interface EvaluationProperties {
  readonly person: Readonly<Record<string, unknown>>;
  readonly groups: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Calls the functions. If one fails, its properties are left out, and a warning is logged. */
export function propertiesOf(
  { person, group }: SubjectProperties,
  subject: FlagSubject,
  given: EvaluationProperties,
  warn: Warn,
): EvaluationProperties {
  const call = (name: string, read: () => unknown): Record<string, unknown> => {
    const result = callSync(read, undefined, (problem) =>
      warn(`option ${name} ${problem}, so its properties are missing: it must return an object, synchronously`),
    );
    if (result === FAILED || isMissing(result)) return {};
    if (isObject(result) && !types.isPromise(result)) return result;
    warn(`option ${name} returned no object, so its properties are missing`);
    return {};
  };
  const groups: Record<string, Record<string, unknown>> = { ...given.groups };
  if (group !== undefined)
    for (const [type, key] of Object.entries(subject.groups))
      groups[type] = { ...call('group', () => group({ type, key }, subject)), ...given.groups[type] };
  return {
    person: person === undefined ? given.person : { ...call('person', () => person(subject)), ...given.person },
    groups,
  };
}
