import { afterEach } from '@jest/globals';
import { expectNoLeak, watch } from './secrets.js';

/** Runs in every test file: fails a test if output of the process, or anything that the harness watches, contains an API key or a payload. */

for (const stream of [process.stdout, process.stderr]) {
  const write = stream.write.bind(stream) as (...given: unknown[]) => boolean;
  stream.write = (chunk: unknown, ...rest: unknown[]) => {
    watch('output', String(chunk));
    return write(chunk, ...rest);
  };
}
for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) {
  const print = console[level].bind(console);
  console[level] = (...given: unknown[]) => {
    for (const part of given) watch(`console.${level}`, part);
    print(...given);
  };
}
process.on('warning', (warning) => watch('a warning of the process', warning));
process.on('uncaughtExceptionMonitor', (error) => watch('an uncaught error', error));

afterEach(expectNoLeak);
