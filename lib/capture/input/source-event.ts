/** An event that was checked: what its caller said, in the forms that PostHog takes. */
export interface SourceEvent {
  readonly event: string;
  /** undefined: the context decides. */
  readonly distinctId: string | undefined;
  readonly properties: Readonly<Record<string, unknown>> | undefined;
  readonly groups: Readonly<Record<string, string>> | undefined;
  /** RFC 3339 UTC; undefined: now. */
  readonly timestamp: string | undefined;
  /** Lower case; undefined: a new one. */
  readonly uuid: string | undefined;
  readonly disableGeoip: boolean | undefined;
  /** Switches under the names that they have as properties. */
  readonly switches: Readonly<Record<string, unknown>> | undefined;
  /** Whether a `$process_person_profile: false` around it would undo the event: identify, alias and groupIdentify. */
  readonly needsProfile: boolean;
}

/** What came of checking an input. `warnings` are sentences that hold no property values. */
export type Checked =
  | { readonly ok: true; readonly source: SourceEvent; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly event: string; readonly problem: string };

/** Shared by all inputs that give no cause for one. */
export const NO_WARNINGS: readonly string[] = Object.freeze([]);

/** An input that breaks a rule. `event` is for the report. */
export function refuse(event: unknown, problem: string): Checked {
  return { ok: false, event: typeof event === 'string' ? event.slice(0, 200) : '', problem };
}

/** The events that PostHog ignores where person profiles are switched off. */
const NEED_PROFILE: ReadonlySet<string> = new Set(['$identify', '$create_alias', '$groupidentify']);

/** Whether a `$process_person_profile: false` would undo an event. */
export const needsProfile = (event: string): boolean => NEED_PROFILE.has(event);
