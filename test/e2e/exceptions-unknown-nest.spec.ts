import { Controller, Get } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { expect, it, jest } from '@jest/globals';

// A version of Nest that has none of the files where it passes errors on.
const absent = (): Promise<undefined> => Promise.resolve(undefined);
jest.unstable_mockModule('../../lib/tracking/exceptions/import-seams.js', () => ({
  seamImports: { http: absent, routes: absent, external: absent, rpc: absent, ws: absent },
}));
const { closeAll } = await import('../support/harness.js');
const { serve } = await import('../support/serve.js');

afterEach(closeAll);

@Controller()
class Failing {
  @Get()
  fail() {
    throw new Error('unseen');
  }

  @MessagePattern('message')
  message() {
    return 'fine';
  }
}

it('an unknown version of Nest boots with a warning for each kind of handler', async () => {
  const { url, events, lines, capture } = await serve({ controllers: [Failing], posthog: { exceptions: true } });
  const response = await fetch(url);
  expect([response.status, await response.json()]).toEqual([
    500,
    { statusCode: 500, message: 'Internal server error' },
  ]);
  const warnings = lines.map((line) => /unhandled errors of (.*) are not captured/.exec(line)?.[1]).filter(Boolean);
  // It has no gateway.
  expect(warnings).toEqual([
    'HTTP requests',
    'GraphQL resolvers',
    'message handlers',
    'streams and server-sent events',
  ]);
  expect(await events()).toEqual([]);
  // The application can still capture them itself.
  expect(capture.captureException(new Error('own'))).not.toBeNull();
});
