import { type ModuleRef } from '@nestjs/core';
import { type EventReporter } from '../capture/report/event-reporter.js';
import { variableOf } from '../options/environment.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { BatchSender } from '../wire/batch-sender.js';
import { ingestionHost } from '../wire/ingestion-host.js';
import { httpClientOf } from './http-client-of.js';

export interface PostHogSender {
  readonly sender: BatchSender;
  /** Called once when the application starts. Throws if option `http` cannot be used. */
  readonly prepare: () => void;
}

/**
 * Sends to PostHog, with the HTTP client of option `http`.
 *
 * @param name the name of a named instance, for its variables
 * @param modules finds the application's `HttpService`
 */
export function postHogSender(
  options: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
  modules: ModuleRef,
  reporter: EventReporter,
): PostHogSender {
  const variable = (option: keyof PostHogCaptureOptions): string => variableOf(option, name) ?? option;
  const { client, proxy } = httpClientOf(options, name, modules);
  const sender = new BatchSender(client, {
    ...options,
    host: ingestionHost(options.host),
    names: { apiKey: variable('apiKey'), host: variable('host'), captureMode: variable('captureMode'), proxy },
    onSubstituted: (text) => reporter.warn('AI endpoint', text),
  });
  return { sender, prepare: () => client.prepare() };
}
