/**
 * What the page is told. It knows no more than this, so whoever has events to show says what their fates are called,
 * which figures are charted and what stands where there is nothing yet.
 */

/** How a thing is: it colours, and never alone says something. */
export type Tone = 'idle' | 'busy' | 'good' | 'warn' | 'bad';

/** What can become of an event. */
export interface LiveFate {
  readonly id: string;
  /** In plain words, lower case. */
  readonly label: string;
  readonly tone: Tone;
  /** Nothing comes after it. */
  readonly isFinal: boolean;
}

/** A figure over time, or two that are compared. */
export interface LiveChart {
  readonly label: string;
  readonly unit: 'count' | 'rate' | 'ms';
  /** Keys of a LiveSample. The first is the one that counts. */
  readonly series: readonly { readonly key: string; readonly label: string }[];
}

/** What stands in the list while it is empty. */
export interface LiveHint {
  readonly title: string;
  /** Paragraphs, and blocks of code, to be read in this order. */
  readonly parts: readonly { readonly text?: string; readonly code?: string }[];
}

/** What the page looks like. */
export interface LiveLayout {
  readonly title: string;
  /** One sentence on what the list shows. */
  readonly about: string;
  readonly fates: readonly LiveFate[];
  readonly charts: readonly LiveChart[];
  /** The columns of the counters of names. */
  readonly counters: readonly { readonly key: string; readonly label: string }[];
  readonly hint: LiveHint;
}

/** How everything is, in a sentence. */
export interface LiveState {
  readonly tone: Tone;
  readonly text: string;
  /** When the next attempt is, in epoch milliseconds of the server; null when none is awaited. */
  readonly nextAt: number | null;
  /** What a person can do about it. */
  readonly remedy?: string | undefined;
}

/** One second's figures; null: there was nothing to measure. */
export type LiveSample = Readonly<Record<string, number | null>>;

/** What has become of an event until now. */
export interface LiveProgress {
  readonly id: string;
  readonly fate: string;
  /** Why, in a sentence; empty when the fate says it all. */
  readonly note: string;
  /** How often it was sent. */
  readonly attempts: number;
}

/** One line of the list. */
export interface LiveEvent extends LiveProgress {
  /** Cut to a length that a line can hold. */
  readonly name: string;
  /** The distinct id, equally. */
  readonly who: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** UTF-8 length of the whole text; 0 without one. */
  readonly bytes: number;
  /** The begin of the event's JSON, masked; empty when it was never serialized. */
  readonly text: string;
  /** `text` is not all. */
  readonly isCut: boolean;
}

/** Counts of one name by the keys of LiveLayout.counters. */
export interface LiveName {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
}

/** The first message to a viewer, and to one that could not keep up. */
export interface LiveSnapshot {
  /** Changes when what was remembered before is forgotten. */
  readonly run: string;
  /** The server's clock, in epoch milliseconds. */
  readonly now: number;
  readonly layout: LiveLayout;
  readonly maxEvents: number;
  /** Oldest first. */
  readonly events: readonly LiveEvent[];
  readonly names: readonly LiveName[];
  readonly state: LiveState;
  /** The last two minutes, a sample a second, oldest first. */
  readonly samples: readonly LiveSample[];
}

/** What changed since the message before. */
export interface LiveUpdate {
  readonly added: readonly LiveEvent[];
  readonly moved: readonly LiveProgress[];
  readonly names?: readonly LiveName[];
  readonly state?: LiveState;
  readonly sample?: LiveSample;
}

/** One event with its whole text. */
export interface LiveDetail {
  readonly id: string;
  /** The JSON that is sent, masked; null: it was never serialized. */
  readonly text: string | null;
}
