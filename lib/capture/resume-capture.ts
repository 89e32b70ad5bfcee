import { processSingleton } from '../shared/process-singleton.js';

/** Beside the service, whose public API does not have it. */
const resumes = processSingleton('resumes', () => new WeakMap<object, () => void>());

export function allowResuming(capture: object, resume: () => void): void {
  resumes.set(capture, resume);
}

/**
 * Call before further work in a process that may have been suspended since the last: waits that are over and requests on dead connections do
 * not delay the next events. Does nothing for a test double.
 */
export function resumeCapture(capture: object): void {
  resumes.get(capture)?.();
}
