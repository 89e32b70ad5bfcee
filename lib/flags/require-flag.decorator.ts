import { UseGuards } from '@nestjs/common';
import { checkDecorator, type OptionRules } from './declared-flag.js';
import { flagGuard, type RequireFlagOptions } from './flag-guard.js';

const RULES: OptionRules = {
  variant: [(value) => typeof value === 'string' && value !== '', 'the name of a variant'],
  defaultValue: [(value) => typeof value === 'boolean', 'a boolean'],
  otherwise: [
    (value) => value === 'not_found' || value === 'forbidden' || typeof value === 'function',
    'not_found, forbidden or a function',
  ],
  name: [(value) => typeof value === 'string', 'the name of an instance'],
};

/**
 * Lets calls of a handler, or of all handlers of a controller, resolver or gateway, pass only while a feature flag is enabled for the
 * current user. It runs after all other guards of the same `@UseGuards` place, in whatever order the decorators are written, so that it
 * knows the user whom they authenticate; the guards of a controller run before those of its handlers.
 *
 * Nest runs no guards for jobs, schedules, event handlers and methods of other providers: use FeatureFlags there. A field resolver of GraphQL
 * needs `fieldResolverEnhancers: ['guards']`. Without FeatureFlagsModule all calls are denied.
 *
 * @param key of the flag
 * @throws PostHogConfigurationError when the class is loaded, for invalid options
 */
export function RequireFlag(key: string, options: RequireFlagOptions = {}): ClassDecorator & MethodDecorator {
  checkDecorator('@RequireFlag', key, options, RULES);
  return UseGuards(flagGuard(key, options));
}
