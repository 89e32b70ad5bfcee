/**
 * Messages from the server to the page. The page knows nothing about PostHog: a LiveSource defines the fates of events, the charts and
 * the hint for an empty list.
 */

/** Selects a colour. The text next to it has the same meaning. */
export type Tone = 'idle' | 'busy' | 'good' | 'warn' | 'bad';

/** A state of an event, such as queued or delivered. */
export interface LiveFate {
  readonly id: string;
  /** Lower case. */
  readonly label: string;
  readonly tone: Tone;
  /** No other fate follows. */
  readonly isFinal: boolean;
}

/** A chart of one or two values. */
export interface LiveChart {
  readonly label: string;
  readonly unit: 'count' | 'rate' | 'ms';
  /** Keys of LiveSample. The first series is the main one. */
  readonly series: readonly { readonly key: string; readonly label: string }[];
}

/** Shown while the list is empty. */
export interface LiveHint {
  readonly title: string;
  /** Paragraphs and code blocks, in order. */
  readonly parts: readonly { readonly text?: string; readonly code?: string }[];
}

export interface LiveLayout {
  readonly title: string;
  /** A sentence about the content of the list. */
  readonly about: string;
  readonly fates: readonly LiveFate[];
  readonly charts: readonly LiveChart[];
  /** Columns of the table of event names. */
  readonly counters: readonly { readonly key: string; readonly label: string }[];
  readonly hint: LiveHint;
}

/** The status line. */
export interface LiveState {
  readonly tone: Tone;
  readonly text: string;
  /** Time of the next attempt in epoch milliseconds of the server, replaces `{next}` in `text`; null if there is none. */
  readonly nextAt: number | null;
  readonly remedy?: string | undefined;
  /** A second line, in full. */
  readonly detail?: string | undefined;
  /** Number of definitions. The page reads them again when it changes. Absent if the source has no catalog. */
  readonly definitions?: number | undefined;
}

/** A table below that of the event names. */
export interface LiveTable {
  readonly title: string;
  /** The line above the rows. */
  readonly text: string;
  readonly tone: Tone;
  /** Empty if there is nothing to do. */
  readonly remedy: string;
  readonly columns: readonly string[];
  readonly rows: readonly LiveTableRow[];
}

export interface LiveTableRow {
  /** Searched for when the row is clicked; null for a row that cannot be clicked. */
  readonly search: string | null;
  /** One for each column. */
  readonly cells: readonly (string | number)[];
}

/** Counts of the events of one name since the start of the process. */
export interface LiveUsage {
  readonly name: string;
  readonly captured: number;
  readonly dropped: number;
  /** `dropped` by reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** Share of events without a person, from 0 to 1; null if it is unknown. */
  readonly personlessShare: number | null;
  /** Set if the counts are not those of one name. */
  readonly isGroup?: true;
}

/** Values of one second; null if there was nothing to measure. */
export type LiveSample = Readonly<Record<string, number | null>>;

/** The current fate of an event. */
export interface LiveProgress {
  readonly id: string;
  readonly fate: string;
  /** The reason in one sentence, or empty. */
  readonly note: string;
  /** Number of send attempts. */
  readonly attempts: number;
}

/** A line of the list. */
export interface LiveEvent extends LiveProgress {
  /** Shortened for display. */
  readonly name: string;
  /** The distinct id, shortened for display. */
  readonly who: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** UTF-8 length of the complete text; 0 if there is none. */
  readonly bytes: number;
  /** The beginning of the masked JSON; empty if the event was never serialized. */
  readonly text: string;
  /** `text` is incomplete. */
  readonly isCut: boolean;
  /** Name of its definition. Absent if it is `name`. */
  readonly definition?: string;
  /** Warnings of its call, without values. Absent if there are none. */
  readonly problems?: readonly string[];
  /** Paths of the properties that break its definition, such as `items[0].price`. Absent if there are none. */
  readonly broken?: readonly string[];
}

/** A definition of an event. */
export interface LiveDefinition {
  readonly name: string;
  readonly description: string | null;
  readonly owner: string | null;
  /** The replacement. */
  readonly deprecated: string | null;
  readonly version: number | null;
  /** It is in the catalog. */
  readonly isListed: boolean;
  readonly properties: readonly LiveProperty[];
  /** Why `properties` are incomplete. */
  readonly note: string | null;
}

export interface LiveProperty {
  readonly name: string;
  /** In TypeScript's notation, such as `"EUR" | "USD"`. */
  readonly type: string;
  readonly isRequired: boolean;
  /** It identifies a person. */
  readonly isPersonal: boolean;
  readonly description: string | null;
}

export interface LiveDefinitions {
  readonly definitions: readonly LiveDefinition[];
}

/** Counts of one event name, by the keys of `LiveLayout.counters`. */
export interface LiveName {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  /** Set if the counts are those of several names. */
  readonly isGroup?: true;
}

/** The first message to a viewer, and the next message to a viewer that fell behind. */
export interface LiveSnapshot {
  /** A new value means that the server no longer has the earlier events. */
  readonly run: string;
  /** Server time in epoch milliseconds. */
  readonly now: number;
  readonly layout: LiveLayout;
  readonly maxEvents: number;
  /** Oldest first. */
  readonly events: readonly LiveEvent[];
  readonly names: readonly LiveName[];
  readonly state: LiveState;
  /** null if the source has none. */
  readonly table: LiveTable | null;
  /** Empty if the source has none. */
  readonly usage: readonly LiveUsage[];
  /** One sample per second of the last two minutes, oldest first. */
  readonly samples: readonly LiveSample[];
}

/** Changes since the previous message. */
export interface LiveUpdate {
  readonly added: readonly LiveEvent[];
  readonly moved: readonly LiveProgress[];
  readonly names?: readonly LiveName[];
  readonly state?: LiveState;
  readonly sample?: LiveSample;
  readonly table?: LiveTable;
  readonly usage?: readonly LiveUsage[];
}

export interface LiveDetail {
  readonly id: string;
  /** The masked JSON; null if the event was never serialized. */
  readonly text: string | null;
}
