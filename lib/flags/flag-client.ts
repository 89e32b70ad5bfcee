import { type FlagSnapshot } from './flag-snapshot.js';

/** The parameters that determine the values of flags. The names are those of posthog-node. */
export interface EvaluateOptions {
  readonly flagKeys: string[];
  readonly groups?: Record<string, string>;
  readonly personProperties?: Readonly<Record<string, unknown>>;
  readonly groupProperties?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly onlyEvaluateLocally?: boolean;
  readonly disableGeoip?: boolean;
}

/** The part of posthog-node's class `PostHog` that evaluates flags. */
export interface FlagClient {
  /** One request at most. */
  evaluateFlags(distinctId: string, options: EvaluateOptions): Promise<FlagSnapshot>;
  /** true when definitions are loaded. */
  isLocalEvaluationReady(): boolean;
  /** Calls back with the error of a request. Returns a function that removes the callback. */
  on(event: string, callback: (error: unknown) => void): () => void;
}

/** A client of this package, whose definitions it is given. */
export interface OwnFlagClient extends FlagClient {
  readonly host: string;
  readonly apiKey: string;
  reloadFeatureFlags(): Promise<void>;
}

/** Definitions of flags, in memory. */
export interface DefinitionsSource {
  getFlagDefinitions(): unknown;
}
