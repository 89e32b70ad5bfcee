import { Controller, Get, Injectable } from '@nestjs/common';
import { attachContext, CaptureService, RestoreContext, TrackEvent } from 'nestjs-posthog-capture';
import { FeatureFlags, FeatureFlagsModule, Flag, RequireFlag } from 'nestjs-posthog-capture/flags';
import { type StoredEvent } from 'nestjs-posthog-capture/testing';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, serve } from '../../support/serve.js';

/** A queue of jobs, which it keeps as JSON. */
@Injectable()
class Jobs {
  readonly waiting: string[] = [];

  constructor(
    private readonly capture: CaptureService,
    private readonly flags: FeatureFlags,
  ) {}

  add(data: object): void {
    this.waiting.push(JSON.stringify({ data: attachContext(this.capture, data) }));
  }

  async run(): Promise<void> {
    for (const json of this.waiting.splice(0)) await this.process(JSON.parse(json) as { data: object });
  }

  @RestoreContext()
  async process({ data }: { data: object }): Promise<void> {
    this.capture.capture({ event: 'job_started', properties: { data } });
    const layout = await this.flags.value('layout');
    this.capture.capture({ event: 'job_done', properties: { layout } });
  }
}

@Controller()
class Checkout {
  constructor(
    private readonly capture: CaptureService,
    private readonly flags: FeatureFlags,
    private readonly jobs: Jobs,
  ) {}

  @Get('checkout')
  @RequireFlag('beta')
  @TrackEvent('checked_out')
  async checkout(@Flag('color') color: string, @Flag('off') off: boolean, @Flag('color') again: string) {
    this.capture.capture({ event: 'goal' });
    const layout = await this.flags.value('layout');
    this.capture.capture({ event: 'later_goal' });
    this.jobs.add({ color });
    return { color, off, again, layout };
  }

  @Get('other')
  other() {
    this.capture.capture({ event: 'other' });
    return {};
  }

  @Get('hidden')
  @RequireFlag('hidden')
  @TrackEvent('never', { on: 'denied' })
  hidden() {
    return {};
  }
}

/** The properties about flags of an event. */
const flagsOf = ({ properties }: StoredEvent): object =>
  Object.fromEntries(
    Object.entries(properties).filter(([name]) => name.startsWith('$feature/') || name === '$active_feature_flags'),
  );

afterEach(closeAll);

describe.each(ADAPTERS)('events of a request and of its job on %s', (adapter) => {
  it('have exactly the flags that the code has read by then', async () => {
    const { app, url, posthog, events } = await serve({
      adapter,
      controllers: [Checkout],
      providers: [Jobs],
      imports: [FeatureFlagsModule.forRoot({ timeoutMs: 10_000 })],
    });
    posthog.flags.set({
      beta: true,
      color: { variant: 'blue' },
      off: false,
      layout: { variant: 'wide' },
      hidden: false,
    });
    const get = async (path: string, person: string) => {
      const response = await fetch(`${url}/${path}`, { headers: { 'x-posthog-distinct-id': person } });
      return { status: response.status, body: await response.json() };
    };
    expect(await get('checkout', 'ann')).toEqual({
      status: 200,
      body: { color: 'blue', off: false, again: 'blue', layout: 'wide' },
    });
    // A request for the flags of all decorators, and one for the flag that only the handler reads.
    const keys = posthog.flags.requests.map(
      ({ json }) => (json as { flag_keys_to_evaluate: string[] }).flag_keys_to_evaluate,
    );
    expect(keys.map((one) => [...one].sort())).toEqual([['beta', 'color', 'hidden', 'off'], ['layout']]);

    await get('other', 'ann');
    expect((await get('hidden', 'ben')).status).toBe(404);
    // Experiments must not change between a request and its jobs.
    posthog.flags.set({ color: { variant: 'red' }, layout: { variant: 'narrow' }, beta: false });
    const before = posthog.flags.requests.length;
    await app.get(Jobs).run();
    expect(posthog.flags.requests).toHaveLength(before);

    const all = await events();
    const flagsOfEvent = (name: string) => all.filter(({ event }) => event === name).map(flagsOf);
    const read = { '$feature/beta': true, '$feature/color': 'blue', '$feature/off': false };
    const goal = { ...read, $active_feature_flags: ['beta', 'color'] };
    const later = { ...read, '$feature/layout': 'wide', $active_feature_flags: ['beta', 'color', 'layout'] };
    expect({
      goal: flagsOfEvent('goal'),
      later: flagsOfEvent('later_goal'),
      tracked: flagsOfEvent('checked_out'),
      job: flagsOfEvent('job_started'),
      done: flagsOfEvent('job_done'),
      other: flagsOfEvent('other'),
      denied: flagsOfEvent('never'),
    }).toEqual({
      goal: [goal],
      later: [later],
      tracked: [later],
      job: [later],
      done: [later],
      other: [{}],
      denied: [{ '$feature/hidden': false }],
    });
    expect(all.find(({ event }) => event === 'job_done')!.properties.layout).toBe('wide');
    const exposures = all
      .filter(({ event }) => event === '$feature_flag_called')
      .map(({ distinct_id, properties }) => [distinct_id, properties.$feature_flag, properties.$feature_flag_response]);
    expect(exposures.sort()).toEqual([
      ['ann', 'beta', true],
      ['ann', 'color', 'blue'],
      ['ann', 'layout', 'wide'],
      ['ann', 'off', false],
      ['ben', 'hidden', false],
    ]);
  });
});
