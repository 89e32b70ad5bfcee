import { fieldOf, isNonBlank, isObject } from '../../shared/untrusted-values.js';

/** `$exception_steps` that the application gives itself: valid if PostHog can show them. */
export function givenSteps(value: unknown): readonly unknown[] | null {
  return Array.isArray(value) && value.every(isStep) ? value : null;
}

function isStep(step: unknown): boolean {
  return isObject(step) && isNonBlank(fieldOf(step, '$message')) && isTime(fieldOf(step, '$timestamp'));
}

const isTime = (value: unknown): boolean =>
  (typeof value === 'string' || typeof value === 'number') && Number.isFinite(new Date(value).getTime());
