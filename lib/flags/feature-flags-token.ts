import { Inject, type InjectionToken } from '@nestjs/common';
import { FeatureFlags } from './feature-flags.service.js';

/** The injection token of the FeatureFlags of a named instance, or of the default one. */
export function getFeatureFlagsToken(name?: string): InjectionToken {
  return name === undefined ? FeatureFlags : `FeatureFlags:${name}`;
}

/** Injects the FeatureFlags of a named instance, or of the default one. */
export const InjectFeatureFlags = (name?: string): ParameterDecorator & PropertyDecorator =>
  Inject(getFeatureFlagsToken(name));
