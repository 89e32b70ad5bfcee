/** Options of one read: what the context does not specify, or specifies differently. */
export interface FlagQuery {
  /** Default: the person of the context. */
  distinctId?: string | number | undefined;
  /** Group type to group key; merged with the groups of the context, as those of an event. */
  groups?: Record<string, string | number> | undefined;
  /** For conditions on properties that PostHog does not have yet. Take precedence over those of option `person`. */
  personProperties?: Record<string, unknown> | undefined;
  /** By group type; take precedence over those of option `group`. */
  groupProperties?: Record<string, Record<string, unknown>> | undefined;
  /** Default: option `disableGeoip` of the instance. */
  disableGeoip?: boolean | undefined;
  /** true: PostHog is not asked. Default: option `localOnly`. */
  onlyEvaluateLocally?: boolean | undefined;
  /** false: the read captures no `$feature_flag_called`, so it does not count as an exposure of an experiment. Default: true. */
  sendEvents?: boolean | undefined;
}
