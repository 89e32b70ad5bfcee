import { afterEach, describe, expect, it } from '@jest/globals';
import { type Context, context, type ContextManager, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { levelOf } from '../../../../lib/capture/exception/capture-boundary.js';
import { releaseAndTrace } from '../../../../lib/capture/exception/release-and-trace.js';

const globals = globalThis as { _posthogReleaseId?: unknown };
afterEach(() => {
  delete globals._posthogReleaseId;
  delete process.env.POSTHOG_RELEASE_ID;
  context.disable();
});

/** Makes a context the active one. */
function activate(active: Context): void {
  const manager: ContextManager = {
    active: () => active,
    with: (_, fn, self, ...args) => fn.apply(self as never, args),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  context.setGlobalContextManager(manager);
}

const withSpan = (traceId: string, spanId: string): Context =>
  trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 0 });

describe('releaseAndTrace', () => {
  it('is empty without either', () => {
    expect(releaseAndTrace()).toEqual({});
  });

  it('reads the release from the environment, then from the global that posthog-cli injects', () => {
    globals._posthogReleaseId = 'injected';
    expect(releaseAndTrace()).toEqual({ $release_id: 'injected' });
    process.env.POSTHOG_RELEASE_ID = ' r1\n';
    expect(releaseAndTrace()).toEqual({ $release_id: 'r1' });
    process.env.POSTHOG_RELEASE_ID = ' ';
    globals._posthogReleaseId = 5;
    expect(releaseAndTrace()).toEqual({});
  });

  it('reads the active span of OpenTelemetry', () => {
    activate(withSpan('0AF7651916CD43DD8448EB211C80319C', 'b7ad6b7169203331'));
    expect(releaseAndTrace()).toEqual({
      $trace_id: '0af7651916cd43dd8448eb211c80319c',
      $span_id: 'b7ad6b7169203331',
    });
  });

  it.each([
    ['no span', ROOT_CONTEXT],
    ['an invalid span', withSpan('0'.repeat(32), '0'.repeat(16))],
    ['other ids', withSpan('x', 'y')],
  ])('ignores %s', (_, active) => {
    activate(active);
    expect(releaseAndTrace()).toEqual({});
  });
});

describe('levelOf', () => {
  it.each([
    ['fatal', 'fatal'],
    ['critical', 'fatal'],
    ['alert', 'fatal'],
    ['emergency', 'fatal'],
    ['error', 'error'],
    ['warning', 'warning'],
    ['WARN', 'warning'],
    ['log', 'log'],
    ['info', 'info'],
    ['notice', 'info'],
    ['debug', 'debug'],
    ['trace', 'debug'],
    ['verbose', null],
    ['', null],
    [5, null],
    ['constructor', null],
  ])('%s is %s', (name, level) => {
    expect(levelOf(name)).toBe(level);
  });
});
