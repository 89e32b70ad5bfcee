import { withProcess } from './processes.mjs';

/** Runs something with a server that all clients send to. */
export function withSink(use) {
  return withProcess('sink', {}, async (sink) => use({ ...sink, url: await sink.call('start') }));
}
