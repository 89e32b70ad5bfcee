import { Inject, type InjectionToken } from '@nestjs/common';
import { CaptureService } from './capture.service.js';

/** The injection token of a named instance, or of the default one. */
export function getCaptureToken(name?: string): InjectionToken {
  return name === undefined ? CaptureService : `CaptureService:${name}`;
}

/** Injects the CaptureService of a named instance, or of the default one. */
export const InjectCapture = (name?: string): ParameterDecorator & PropertyDecorator => Inject(getCaptureToken(name));
