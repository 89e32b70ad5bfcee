/**
 * PostHog's per-event switches of ingestion: the field in code, the option in PostHog's API (v1, JSON input), and the property
 * that replaces it everywhere else. A wrong type makes PostHog refuse the whole batch.
 */
export const INGESTION_SWITCHES = [
  { field: 'cookielessMode', option: 'cookieless_mode', property: '$cookieless_mode', type: 'boolean' },
  {
    field: 'disableSkewCorrection',
    option: 'disable_skew_correction',
    property: '$ignore_sent_at',
    type: 'boolean',
  },
  {
    field: 'processPersonProfile',
    option: 'process_person_profile',
    property: '$process_person_profile',
    type: 'boolean',
  },
  { field: 'productTourId', option: 'product_tour_id', property: '$product_tour_id', type: 'string' },
] as const;
