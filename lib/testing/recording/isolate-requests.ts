import { HttpAdapterHost, type ModuleRef } from '@nestjs/core';
import { frameworkOf, hookRequests, runFirst } from '../../tracking/http/http-adapters.js';
import { type Recording } from './recording.js';

/**
 * Brings each request of an application into the isolated recording that its header names. For applications that give requests no
 * context, by which the recording would know of the header. To be called when the routes are there.
 */
export function isolateRequests(modules: ModuleRef, recording: Recording): void {
  const framework = frameworkOf(modules.get(HttpAdapterHost, { strict: false }).httpAdapter);
  if (framework === undefined) return;
  const enter = (request: object, _response: object, next: () => void): void => {
    const named = recording.namedBy(request);
    if (named === undefined) next();
    else named.enter(next);
  };
  if ('express' in framework) runFirst(framework.express, enter);
  else hookRequests(framework.fastify, enter);
}
