import { type CanActivate, Controller, type ExecutionContext, Get, UseGuards } from '@nestjs/common';
import { attachContext, CaptureService, withJobContext } from 'nestjs-posthog-capture';
import { FeatureFlags, FeatureFlagsModule } from 'nestjs-posthog-capture/flags';
import { flagProperties } from '../../support/flags.js';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, serve } from '../../support/serve.js';

afterEach(closeAll);

interface Authenticated {
  user?: string;
  headers: Record<string, string | undefined>;
}

class Auth implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Authenticated>();
    request.user = request.headers.authorization;
    return true;
  }
}

@Controller()
class Checkout {
  constructor(
    private readonly flags: FeatureFlags,
    private readonly capture: CaptureService,
  ) {}

  @Get()
  @UseGuards(Auth)
  async buy() {
    const version = await this.flags.value('new-checkout');
    this.capture.capture({ event: 'bought' });
    const data = attachContext(this.capture, {});
    await withJobContext(this.capture, { data }, () => this.ship());
    return { version };
  }

  private async ship() {
    if ((await this.flags.value('new-checkout')) === 'blue') this.capture.capture({ event: 'shipped' });
  }
}

it.each(ADAPTERS)('a request has the flags of the user whom its guard has authenticated: %s', async (adapter) => {
  const { url, posthog, events } = await serve({
    adapter,
    imports: [FeatureFlagsModule.forRoot({ timeoutMs: 10_000 })],
    controllers: [Checkout],
    posthog: { identity: ({ request }) => (request as Authenticated).user },
  });
  posthog.flags.setFor('ann', { 'new-checkout': 'blue' });
  const buy = async (authorization: string): Promise<unknown> =>
    (await fetch(url, { headers: { authorization } })).json();
  expect(await Promise.all([buy('ann'), buy('bob')])).toEqual([{ version: 'blue' }, { version: false }]);
  expect(posthog.flags.requests).toHaveLength(2);
  const goals = (await events()).filter(({ event }) => event !== '$feature_flag_called');
  expect(goals.map((goal) => [goal.event, goal.distinct_id, flagProperties(goal)]).sort()).toEqual([
    ['bought', 'ann', { '$feature/new-checkout': 'blue', $active_feature_flags: ['new-checkout'] }],
    ['bought', 'bob', { '$feature/new-checkout': false }],
    ['shipped', 'ann', { '$feature/new-checkout': 'blue', $active_feature_flags: ['new-checkout'] }],
  ]);
  const exposures = await events('$feature_flag_called');
  expect(exposures.map(({ distinct_id }) => distinct_id).sort()).toEqual(['ann', 'bob']);
});
