import { withProcess } from './processes.mjs';

/** Runs a function with a server for all clients. */
export function withSink(use) {
  return withProcess('sink', {}, async (sink) =>
    use({
      url: await sink.call('start'),
      reset: (expected) => sink.call('reset', expected),
      report: () => sink.call('report'),
      /** Returns the counts. Throws unless each expected event has arrived exactly once. */
      async verified(who) {
        const report = await sink.call('report');
        const { missing, repeated, strange } = report;
        if (missing + repeated + strange === 0) return report;
        throw new Error(
          `${who}: ${missing} events are missing, ${repeated} arrived again, ${strange} were not expected`,
        );
      },
    }),
  );
}
