import { type ModuleRef } from '@nestjs/core';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';

/**
 * Finds an instance when it is first needed: it may be in a module that is not global, and be created later.
 *
 * @param module the module that needs it, for the error
 * @returns a function that throws PostHogConfigurationError if there is no such instance
 */
export function captureOf(modules: ModuleRef, name: string | undefined, module: string): () => CaptureService {
  let capture: CaptureService | undefined;
  return () => (capture ??= find(modules, name, module));
}

function find(modules: ModuleRef, name: string | undefined, module: string): CaptureService {
  try {
    return modules.get<CaptureService>(getCaptureToken(name), { strict: false });
  } catch {
    const argument = name === undefined ? '' : `{ name: "${name}" }`;
    throw new PostHogConfigurationError(
      [`${module} has no instance to work with: import PostHogCaptureModule.forRoot(${argument})`],
      name,
    );
  }
}
