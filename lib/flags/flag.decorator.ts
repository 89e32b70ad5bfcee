import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { checkDecorator, type OptionRules } from './declared-flag.js';
import { CallOfFlag, type FlagOptions, flagPipe } from './flag.pipe.js';

const RULES: OptionRules = {
  defaultValue: [(value) => typeof value === 'boolean' || typeof value === 'string', 'a boolean or a string'],
  name: [(value) => typeof value === 'string', 'the name of an instance'],
};

const param = createParamDecorator((_: unknown, execution: ExecutionContext) => new CallOfFlag(execution));

/**
 * Passes the value of a feature flag for the current user to a parameter of a handler: true, false, or the name of a variant. Works in every
 * transport. Pipes of the application do not change the value.
 *
 * Nest does not fill the parameters of jobs, schedules, event handlers and methods of other providers: use FeatureFlags there. Without
 * FeatureFlagsModule, the parameter has its default value.
 *
 * @param key of the flag
 * @throws PostHogConfigurationError when the class is loaded, for invalid options
 */
export function Flag(key: string, options: FlagOptions = {}): ParameterDecorator {
  checkDecorator('@Flag', key, options, RULES);
  // Without data, so that ValidationPipe does not convert the value to the type of the parameter.
  return param(undefined, flagPipe(key, options));
}
