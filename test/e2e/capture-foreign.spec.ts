import { afterEach, describe, expect, it } from '@jest/globals';
import { captureForeign, captureForeignNow } from '../../lib/capture/capture-foreign.js';
import { closeAll, expectBalanced, start } from '../support/harness.js';

afterEach(closeAll);

const CONTEXT = {
  distinctId: 'ada',
  sessionId: 's1',
  groups: { team: 'red' },
  properties: { plan: 'pro', '$feature/other': true },
};

describe('captureForeign', () => {
  it('captures in the current context, in order with the events of the application', async () => {
    const { capture, posthog } = await start({ superProperties: { region: 'eu' } });
    const uuid = capture.withContext(CONTEXT, () => {
      capture.capture({ event: 'before' });
      const captured = captureForeign(capture, { event: 'foreign', properties: { n: 1 } });
      capture.capture({ event: 'after' });
      return captured;
    });
    await capture.flush();
    expect(posthog.events.map(({ event }) => event)).toEqual(['before', 'foreign', 'after']);
    expect(posthog.events[1]).toMatchObject({
      uuid,
      distinct_id: 'ada',
      properties: { n: 1, plan: 'pro', region: 'eu', $session_id: 's1', $groups: { team: 'red' } },
    });
    expectBalanced(capture);
  });

  it('adds no super properties and no properties of the context to a bare event', async () => {
    const { capture, posthog } = await start({
      superProperties: { region: 'eu' },
      beforeSend: (event) => ({ ...event, properties: { ...event.properties, seen: true } }),
    });
    capture.withContext(CONTEXT, () =>
      captureForeign(capture, { event: '$feature_flag_called', properties: { $feature_flag: 'f' } }, { bare: true }),
    );
    await capture.flush();
    expect(posthog.events).toHaveLength(1);
    expect(posthog.events[0]?.distinct_id).toBe('ada');
    expect(posthog.events[0]?.properties).toEqual({
      $feature_flag: 'f',
      $session_id: 's1',
      $groups: { team: 'red' },
      $geoip_disable: true,
      $is_server: true,
      $lib: 'nestjs-posthog-capture',
      $lib_version: expect.any(String),
      seen: true,
    });
  });

  it('captures AI events as captureAi does', async () => {
    const { capture, posthog } = await start();
    captureForeign(capture, { event: '$ai_span', distinctId: 'ada' }, { ai: true });
    captureForeign(capture, { event: '$ai_span', distinctId: 'ada' });
    await capture.flush();
    expect(posthog.events.map(({ endpoint }) => endpoint).sort()).toEqual(['ai', 'analytics']);
    expect(await captureForeignNow(capture, { event: '$ai_span', distinctId: 'ada' }, { ai: true })).toMatchObject({
      success: true,
    });
    expect(posthog.events.at(-1)?.endpoint).toBe('ai');
  });

  it("waits for PostHog's response with captureForeignNow", async () => {
    const { capture, posthog } = await start({ superProperties: { region: 'eu' } });
    const result = await captureForeignNow(capture, { event: 'now', distinctId: 'ada' }, { bare: true });
    expect(result).toMatchObject({ success: true, event: 'now', distinctId: 'ada' });
    expect(posthog.events[0]?.properties).not.toHaveProperty('region');
    posthog.fail({ status: 401 });
    expect(await captureForeignNow(capture, { event: 'refused', distinctId: 'ada' })).toMatchObject({
      success: false,
      error: 'PostHog API error: HTTP 401',
    });
    expectBalanced(capture);
  });

  it('refuses an invalid event, and captures nothing with a disabled instance', async () => {
    const { capture, posthog } = await start();
    expect(captureForeign(capture, { event: ' ' }, { bare: true })).toBeNull();
    expect(capture.stats().droppedByReason).toEqual({ invalid: 1 });
    capture.disable();
    expect(captureForeign(capture, { event: 'off' })).toBeNull();
    await capture.flush();
    expect(posthog.events).toEqual([]);
    expectBalanced(capture);
  });

  it("captures with a test's stand-in", () => {
    const seen: unknown[] = [];
    const standIn = { capture: (event: unknown) => (seen.push(event), 'uuid') };
    expect(captureForeign(standIn, { event: 'e' }, { bare: true })).toBe('uuid');
    expect(seen).toEqual([{ event: 'e' }]);
  });
});
