import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { choosePort } from '../../sample/01-quick-start/src/choose-port.js';
import { eventsPage } from '../../sample/01-quick-start/src/events-page.js';
import { homePage } from '../../sample/01-quick-start/src/home/home.page.js';
import { startLocalPostHog } from '../../sample/01-quick-start/src/local-posthog.js';

/** Occupies a port while `work` runs. */
async function withTakenPort(work: (port: number) => Promise<void>): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  try {
    await work((server.address() as AddressInfo).port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('the quick start', () => {
  it('uses the given port if it is free', async () => {
    let freed = 0;
    await withTakenPort(async (port) => {
      expect(await choosePort(String(port))).toBeNull();
      freed = port;
    });
    expect(await choosePort(String(freed))).toBe(freed);
  });

  it.each(['http', '-1', '0', '65536', '80.5'])('refuses PORT=%s', async (wanted) => {
    expect(await choosePort(wanted)).toBeNull();
  });

  it('finds a free port', async () => {
    const port = await choosePort(undefined);
    expect(port).toBeGreaterThanOrEqual(3000);
    expect(port).toBeLessThan(3020);
  });

  it('starts the local PostHog on another port if the wanted one is in use', async () => {
    await withTakenPort(async (port) => {
      const posthog = await startLocalPostHog(port);
      expect(posthog.port).not.toBe(port);
      expect((await fetch(posthog.url)).status).toBe(200);
      await posthog.close();
    });
  });

  it.each([
    ['http://127.0.0.1:3001', 'http://127.0.0.1:3001'],
    ['https://eu.i.posthog.com', 'https://eu.posthog.com'],
    [undefined, 'https://us.posthog.com'],
  ])('links events sent to %s to %s', (host, page) => {
    expect(eventsPage(host)).toBe(page);
  });

  it('has a page without external resources, for phones and both colour schemes', () => {
    const page = homePage('http://127.0.0.1:3001/?"<script>');
    expect(page.match(/https?:\/\/[^"\s]*/g)).toEqual(['http://127.0.0.1:3001/?&quot;&lt;script>']);
    expect(page).toContain('name="viewport"');
    expect(page).toContain('color-scheme: light dark');
  });
});
