import { withProcess } from './processes.mjs';

/** Runs something with a server that all clients send to. */
export function withSink(use) {
  return withProcess('sink', {}, async (sink) =>
    use({
      url: await sink.call('start'),
      reset: (expected) => sink.call('reset', expected),
      report: () => sink.call('report'),
      /** What has arrived. Throws unless each expected event has, exactly once. */
      async verified(who) {
        const report = await sink.call('report');
        const { missing, repeated, strange } = report;
        if (missing + repeated + strange === 0) return report;
        throw new Error(`${who}: ${missing} events never came, ${repeated} came again, ${strange} were not expected`);
      },
    }),
  );
}
