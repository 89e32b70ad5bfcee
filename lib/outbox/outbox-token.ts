import { Inject, type InjectionToken } from '@nestjs/common';
import { CaptureOutbox } from './capture-outbox.js';

/** The injection token of the CaptureOutbox of a named instance, or of the default one. */
export function getOutboxToken(name?: string): InjectionToken {
  return name === undefined ? CaptureOutbox : `CaptureOutbox:${name}`;
}

/** Injects the CaptureOutbox of a named instance, or of the default one. */
export const InjectOutbox = (name?: string): ParameterDecorator & PropertyDecorator => Inject(getOutboxToken(name));
