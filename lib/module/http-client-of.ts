import { type ModuleRef } from '@nestjs/core';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { describeName } from '../options/describe-value.js';
import { type HttpServiceToken, type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { describeProxy } from '../wire/axios-environment.js';
import { sharedAxiosClient } from '../wire/axios-client.js';
import { proxyProblem } from '../wire/axios-proxy.js';
import { type HttpClient } from '../wire/http-client.js';
import { type HttpService, isHttpService } from '../wire/http-service.js';
import { ingestionHost } from '../wire/ingestion-host.js';
import { privateClient } from '../wire/private-client.js';

export interface ConnectedClient {
  readonly client: HttpClient;
  /** Names the proxy that it uses, for a remedy. */
  readonly proxy: () => string | undefined;
}

/**
 * The client for option `http`: a private one, or the `HttpService` that the application provides under a token.
 *
 * @param name the name of a named instance
 * @throws PostHogConfigurationError if the key would be sent through a proxy unencrypted
 */
export function httpClientOf(
  { http, host, apiKey }: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
  modules: ModuleRef,
): ConnectedClient {
  const refuse = (problem: string | undefined): void => {
    if (problem !== undefined) throw new PostHogConfigurationError([`http: ${problem}`], name);
  };
  if (!isToken(http)) {
    refuse(proxyProblem(host, http));
    const target = ingestionHost(host);
    const proxy = describeProxy(target, http);
    return { client: privateClient(http, target), proxy: () => proxy };
  }
  const findService = (): HttpService => {
    const service = find(modules, http);
    if (isHttpService(service)) return service;
    const problem = `http: the token ${describeToken(http, apiKey)} does not name an HttpService`;
    throw new PostHogConfigurationError([problem], name);
  };
  const settings = (): HttpService['axiosRef']['defaults'] => findService().axiosRef.defaults;
  return {
    client: { ...sharedAxiosClient(findService), prepare: () => refuse(proxyProblem(host, settings())) },
    proxy: () => describeProxy(ingestionHost(host), isHttpService(find(modules, http)) ? settings() : {}),
  };
}

/** The token may be a key by mistake. */
function describeToken(token: HttpServiceToken, apiKey: string): string {
  if (typeof token === 'function') return token.name;
  return describeName(typeof token === 'symbol' ? (token.description ?? '') : token, apiKey);
}

/** Discards Nest's own error, which quotes the token. */
function find(modules: ModuleRef, token: HttpServiceToken): unknown {
  try {
    return modules.get<unknown>(token, { strict: false });
  } catch {
    return undefined;
  }
}

function isToken(http: PostHogCaptureOptions['http']): http is HttpServiceToken {
  return typeof http === 'function' || typeof http === 'string' || typeof http === 'symbol';
}
