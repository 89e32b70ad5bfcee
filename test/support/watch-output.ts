import { afterEach } from '@jest/globals';
import { expectNoLeak, watch } from './secrets.js';

/** In every test file: nothing that the process writes, and nothing that the harness watches, holds the key or a payload. */

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
process.on('uncaughtExceptionMonitor', (error) => watch('an error that nobody caught', error));

afterEach(expectNoLeak);
