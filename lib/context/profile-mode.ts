/**
 * Events that create and update person profiles in PostHog: those with a person, those whose person is identified, or none.
 *
 * @see https://posthog.com/docs/data/anonymous-vs-identified-events
 */
export type ProfileMode = 'always' | 'identified' | 'never';

export const PROFILE_MODES: readonly ProfileMode[] = ['always', 'identified', 'never'];
