import { randomUUID } from 'node:crypto';
import { type LiveHint } from '../../live/messages.js';

/**
 * How to send an event, for as long as there is none.
 *
 * @param url where the server is
 * @param anyKey whether any API key will do; a particular one is not shown
 */
export function emptyHint(url: string, anyKey: boolean): LiveHint {
  const key = anyKey ? 'phc_local' : '<the key this server was started with>';
  const now = new Date().toISOString();
  const event = { event: 'hello', distinct_id: 'me', uuid: randomUUID(), timestamp: now, properties: {} };
  const body = JSON.stringify({ api_key: key, batch: [event], sent_at: now });
  return {
    title: 'No event has arrived yet',
    parts: [
      { text: 'Point an application here:' },
      { code: `POSTHOG_HOST=${url}\nPOSTHOG_API_KEY=${key}` },
      { text: 'or send one from a terminal:' },
      { code: `curl ${url}/batch/ -H 'Content-Type: application/json' \\\n  -d '${body}'` },
    ],
  };
}
