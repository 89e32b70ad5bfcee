import { attachContext, withJobContext } from 'nestjs-posthog-capture';
import { type StoredEvent } from 'nestjs-posthog-capture/testing';
import { closeAll } from '../../support/harness.js';
import { type FlagsApp, flagProperties, startFlags } from '../../support/flags.js';

let app: FlagsApp;

beforeAll(async () => {
  app = await startFlags({ keys: ['declared'] });
});
afterAll(closeAll);
beforeEach(() => {
  app.posthog.clear();
  app.posthog.flags.clear();
  app.posthog.flags.set({ declared: true, blue: { variant: 'blue', payload: 1 }, on: true, off: false });
});

let persons = 0;
/** Each test has a person of its own, because posthog-node captures an exposure once. */
const newPerson = (): string => `person_${++persons}`;

const attached = async (): Promise<Record<string, unknown>> =>
  Object.fromEntries((await goals()).map((event) => [event.event, flagProperties(event)]));

const goals = async (): Promise<StoredEvent[]> =>
  (await app.events()).filter(({ event }) => event !== '$feature_flag_called');

const exposures = async (): Promise<unknown[]> =>
  (await app.events('$feature_flag_called')).map(({ properties }) => [
    properties.$feature_flag,
    properties.$feature_flag_response,
  ]);

describe('a value that was read', () => {
  it('is on every later event of the call and of its jobs, and nothing else is', async () => {
    const { capture, flags } = app;
    const data = await capture.withContext({ distinctId: newPerson() }, async () => {
      capture.capture({ event: 'before' });
      await flags.value('off');
      capture.capture({ event: 'after off' });
      await flags.isEnabled('blue');
      await flags.value('on');
      await flags.value('missing');
      await flags.payload('declared');
      capture.capture({ event: 'after all' });
      return attachContext(capture, {});
    });
    await withJobContext(capture, { data }, async () => {
      capture.capture({ event: 'in the job' });
      await flags.value('declared');
      capture.capture({ event: 'later in the job' });
    });
    capture.capture({ event: 'outside', distinctId: 'somebody' });
    const all = {
      '$feature/off': false,
      '$feature/blue': 'blue',
      '$feature/on': true,
      $active_feature_flags: ['blue', 'on'],
    };
    expect(await attached()).toEqual({
      before: {},
      'after off': { '$feature/off': false },
      'after all': all,
      'in the job': all,
      'later in the job': { ...all, '$feature/declared': true, $active_feature_flags: ['blue', 'declared', 'on'] },
      outside: {},
    });
  });

  it('is on later events of the whole call, wherever in it the flag was read', async () => {
    const { capture, flags } = app;
    const distinctId = newPerson();
    await capture.withContext({ distinctId }, async () => {
      await capture.withContext({ properties: { step: 1 } }, () => flags.value('on'));
      await capture.withContext({ distinctId }, () => flags.value('blue'));
      capture.capture({ event: 'goal' });
    });
    expect(await attached()).toEqual({
      goal: { '$feature/on': true, '$feature/blue': 'blue', $active_feature_flags: ['blue', 'on'] },
    });
  });

  it('is not on events of another person', async () => {
    const { capture, flags } = app;
    const [ann, bob] = [newPerson(), newPerson()];
    await capture.withContext({ distinctId: ann }, async () => {
      await flags.value('on', { distinctId: bob });
      await capture.withContext({ distinctId: bob }, async () => {
        await flags.value('blue');
        capture.capture({ event: 'of bob' });
      });
      capture.capture({ event: 'of ann' });
    });
    await capture.withContext({}, async () => {
      await capture.withContext({ distinctId: ann }, () => flags.value('on'));
      capture.capture({ event: 'of nobody' });
    });
    expect(await attached()).toEqual({
      'of bob': { '$feature/blue': 'blue', $active_feature_flags: ['blue'] },
      'of ann': {},
      'of nobody': {},
    });
  });

  it('is on the events of a call whose person only the read names', async () => {
    const { capture, flags } = app;
    const distinctId = newPerson();
    await capture.withContext({}, async () => {
      await flags.value('on', { distinctId });
      capture.capture({ event: 'goal', distinctId });
    });
    expect(await attached()).toEqual({ goal: { '$feature/on': true, $active_feature_flags: ['on'] } });
  });

  it('is on no event of a call that reads flags of several persons and has none itself', async () => {
    const { capture, flags, lines } = app;
    const [ann, bob] = [newPerson(), newPerson()];
    await capture.withContext({}, async () => {
      await flags.value('on', { distinctId: ann });
      await Promise.all([
        flags.value('blue', { distinctId: bob }),
        flags.value('off', { distinctId: ann }),
        flags.value('on', { distinctId: ann }),
      ]);
      capture.capture({ event: 'of bob', distinctId: bob });
      await capture.withContext({ distinctId: ann }, () => flags.value('on'));
      await capture.withContext({ distinctId: ann }, async () => {
        await flags.value('on');
        capture.capture({ event: 'of ann' });
      });
    });
    expect(await attached()).toEqual({
      'of bob': {},
      'of ann': { '$feature/on': true, $active_feature_flags: ['on'] },
    });
    expect(lines.filter((line) => line.includes('several persons'))).toHaveLength(1);
  });

  it('comes from the result of evaluate only when it is read', async () => {
    const { capture, flags } = app;
    await capture.withContext({ distinctId: newPerson() }, async () => {
      const evaluated = await flags.evaluate(['on', 'blue', 'off']);
      capture.capture({ event: 'before' });
      evaluated.isEnabled('blue');
      capture.capture({ event: 'after' });
    });
    expect(await attached()).toEqual({
      before: {},
      after: { '$feature/blue': 'blue', $active_feature_flags: ['blue'] },
    });
    expect(await exposures()).toEqual([['blue', 'blue']]);
  });

  it('is on the event alone that the result of evaluate is given to, and is no exposure', async () => {
    const { capture, flags } = app;
    const reads = flags.state.reads;
    await capture.withContext({ distinctId: newPerson() }, async () => {
      capture.capture({ event: 'given', flags: await flags.evaluate(['on', 'off']) });
      capture.capture({ event: 'after' });
    });
    expect(await attached()).toEqual({
      given: { '$feature/on': true, '$feature/off': false, $active_feature_flags: ['on'] },
      after: {},
    });
    expect(await exposures()).toEqual([]);
    expect(flags.state.reads).toEqual(reads);
  });
});

describe('an exposure', () => {
  it('is captured once per person, flag, value and groups', async () => {
    const { capture, flags } = app;
    const [ann, bob] = [newPerson(), newPerson()];
    const read = (distinctId: string, groups?: Record<string, string>) =>
      capture.withContext({ distinctId, ...(groups && { groups }) }, async () => {
        await flags.value('blue');
        await flags.isEnabled('blue');
      });
    await read(ann);
    await read(ann);
    await read(bob);
    await read(ann, { company: 'acme', team: 'x' });
    await read(ann, { team: 'x', company: 'acme' });
    app.posthog.flags.set({ blue: 'green' });
    await read(ann);
    const events = await app.events('$feature_flag_called');
    expect(events.map(({ distinct_id, properties: p }) => [distinct_id, p.$feature_flag_response, p.$groups])).toEqual([
      [ann, 'blue', undefined],
      [bob, 'blue', undefined],
      [ann, 'blue', { company: 'acme', team: 'x' }],
      [ann, 'green', undefined],
    ]);
  });

  it('has what PostHog says of the flag, the session, and no properties of context and instance', async () => {
    const { capture, flags } = app;
    const distinctId = newPerson();
    app.posthog.flags.set({ experiment: { variant: 'test', hasExperiment: true, reason: 'Because' } });
    await capture.withContext({ distinctId, sessionId: 'session', properties: { plan: 'pro' } }, async () => {
      await flags.value('on');
      await flags.value('experiment');
      await flags.value('missing');
    });
    const [, experiment, missing] = await app.events('$feature_flag_called');
    expect(experiment).toMatchObject({
      distinct_id: distinctId,
      properties: {
        $feature_flag: 'experiment',
        $feature_flag_response: 'test',
        $feature_flag_reason: 'Because',
        $feature_flag_has_experiment: true,
        $feature_flag_version: 1,
        '$feature/experiment': 'test',
        locally_evaluated: false,
        $session_id: 'session',
        $lib: 'nestjs-posthog-capture',
      },
    });
    expect(Object.keys(experiment?.properties ?? {})).not.toEqual(expect.arrayContaining(['plan']));
    for (const name of ['plan', 'canary', '$feature/on', '$active_feature_flags'])
      expect(experiment?.properties).not.toHaveProperty([name]);
    expect(missing?.properties).toMatchObject({ $feature_flag: 'missing', $feature_flag_error: 'flag_missing' });
    expect(missing?.properties).not.toHaveProperty(['$feature_flag_response']);
  });

  it('is minimal where PostHog says so', async () => {
    const { capture, flags } = app;
    app.posthog.flags.minimalFlagCalledEvents = true;
    app.posthog.flags.set({ plain: { hasExperiment: false }, experiment: { hasExperiment: true } });
    await capture.withContext({ distinctId: newPerson(), sessionId: 'session' }, () =>
      Promise.all([flags.value('plain'), flags.value('experiment')]),
    );
    const [plain, experiment] = await app.events('$feature_flag_called');
    expect(plain?.properties).toMatchObject({ $feature_flag: 'plain', $session_id: 'session' });
    expect(plain?.properties).not.toHaveProperty(['$feature/plain']);
    expect(experiment?.properties).toHaveProperty(['$feature/experiment'], true);
  });

  it('is not captured of payloads, with sendEvents: false, and of jobs whose request has captured it', async () => {
    const { capture, flags } = app;
    const data = await capture.withContext({ distinctId: newPerson() }, async () => {
      await flags.payload('blue');
      await flags.value('on', { sendEvents: false });
      (await flags.evaluate(['off'], { sendEvents: false })).value('off');
      expect(await exposures()).toEqual([]);
      await flags.value('on');
      return attachContext(capture, {});
    });
    await withJobContext(capture, { data }, () => flags.value('on'));
    expect(await exposures()).toEqual([['on', true]]);
  });

  it('is not captured of a person who opted out, whose flags are evaluated', async () => {
    const { capture, flags } = app;
    const distinctId = newPerson();
    const dropped = capture.stats().dropped;
    expect(await capture.withContext({ distinctId, optedOut: true }, () => flags.value('blue'))).toBe('blue');
    expect(capture.stats().dropped).toBe(dropped);
    await capture.withContext({ distinctId }, () => flags.value('blue'));
    expect(await exposures()).toEqual([['blue', 'blue']]);
  });
});

it('attaches nothing with attach: none, and captures exposures', async () => {
  const { capture, flags, posthog, events } = await startFlags({ attach: 'none' });
  posthog.flags.set({ on: true });
  const data = await capture.withContext({ distinctId: 'ann' }, async () => {
    await flags.value('on');
    capture.capture({ event: 'goal' });
    return attachContext(capture, {});
  });
  posthog.flags.set({ on: false });
  expect(await withJobContext(capture, { data }, () => flags.value('on'))).toBe(true);
  const [exposure, goal] = await events();
  expect([exposure?.event, goal && flagProperties(goal)]).toEqual(['$feature_flag_called', {}]);
});
