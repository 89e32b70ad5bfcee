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
 * current user. Other calls are denied, in every transport.
 *
 * It runs after the other guards of the same handler or class, whatever the order of the decorators, so it knows the user whom they set. The
 * guards of a class run before those of its handlers.
 *
 * Nest runs no guards for jobs, schedules, event handlers and methods of other providers: use FeatureFlags there. Field resolvers of GraphQL
 * need `fieldResolverEnhancers: ['guards']`. Without FeatureFlagsModule, all calls are denied.
 *
 * @param key of the flag
 * @throws PostHogConfigurationError when the class is loaded, for invalid options
 */
export function RequireFlag(key: string, options: RequireFlagOptions = {}): ClassDecorator & MethodDecorator {
  checkDecorator('@RequireFlag', key, options, RULES);
  return UseGuards(flagGuard(key, options));
}
