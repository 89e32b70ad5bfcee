import { type FlagStats } from 'nestjs-posthog-capture';

/** Flags that work, and that nobody has read. */
export const QUIET_FLAGS: FlagStats = {
  source: 'local',
  definitionsAgeMs: 60_000,
  definitionsEveryMs: 300_000,
  coolDownUntil: null,
  lastError: null,
  requests: 0,
  timeouts: 0,
  reads: [],
  otherReads: 0,
};
