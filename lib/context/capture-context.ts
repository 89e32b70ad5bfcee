/** Who is acting, and what is true of all events meanwhile. */
export interface CaptureContext {
  /** The person, for events that name none. */
  distinctId?: string | number;
  /** PostHog's session, sent as `$session_id`. */
  sessionId?: string;
  /** Group type to group key, merged into the groups of each event. */
  groups?: Record<string, string | number>;
  /** Merged into the properties of each event; an event's own win. */
  properties?: Record<string, unknown>;
  /** true: nothing is captured while this context is current. */
  optedOut?: boolean;
}

/** A context as plain JSON, small enough for the data of a job or the header of a message. Give it to `withContext` to restore it. */
export interface SerializedContext extends CaptureContext {
  distinctId?: string;
  groups?: Record<string, string>;
}

/** A context as events see it: checked, merged with the contexts around it, shared between events and so never changed. */
export interface ActingContext {
  readonly distinctId?: string;
  readonly sessionId?: string;
  readonly groups?: Readonly<Record<string, string>>;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly optedOut?: boolean;
}

/** What nobody has said anything in. One object, by which it is known. */
export const NO_CONTEXT: ActingContext = Object.freeze({});
