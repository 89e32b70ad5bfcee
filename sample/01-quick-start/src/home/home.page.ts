/** The page at `/`. It loads nothing from other hosts. */
export function homePage(eventsUrl: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A shop that sends events to PostHog</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 42rem; margin: 0 auto; padding: 1rem }
  h2 { margin: 1.5rem 0 .3rem; font-size: 1.1rem }
  p { margin: .3rem 0 .6rem }
  button { font: inherit; padding: .5rem .9rem; margin: 0 .3rem .5rem 0 }
  pre { overflow-x: auto; padding: .7rem; border-radius: .4rem; background: color-mix(in srgb, CanvasText 8%, Canvas) }
</style>
<h1>A shop that sends events to PostHog</h1>
<p>Each order is captured as an event. You can also post any event to <code>/capture</code>.</p>
<p><a href="${escapeHtml(eventsUrl)}" target="_blank" rel="noreferrer"><strong>See the events</strong></a></p>

<h2>1. Buy something</h2>
<p>The service calls <code>capture()</code>, which sends the event in the background after about a second.</p>
<button data-path="/orders" data-body='{"product":"coffee","customer":"user_123"}'>A coffee</button>
<button data-path="/orders" data-body='{"product":"cake","customer":"user_456","quantity":2}'>Two cakes</button>

<h2>2. Send your own event</h2>
<p><code>captureNow()</code> waits for PostHog and returns the result.</p>
<button data-path="/capture" data-body='{"event":"page_view","distinct_id":"user_123","properties":{"path":"/"}}'>Send</button>

<h2>3. Send an invalid event</h2>
<p><code>CaptureEventDto</code> and <code>ValidationPipe</code> respond with 400 and the reason.</p>
<button data-path="/capture" data-body='{"event":"page_view"}'>Omit the distinct_id</button>

<h2>Request</h2>
<pre id="sent">Press a button.</pre>
<h2>Response</h2>
<pre id="response">…</pre>
<script>
  const show = (id, text) => { document.getElementById(id).textContent = text };
  for (const button of document.querySelectorAll('button')) button.onclick = async () => {
    const { path, body } = button.dataset;
    const headers = { 'Content-Type': 'application/json' };
    show('sent', "curl " + location.origin + path + " -H 'Content-Type: application/json' -d '" + body + "'");
    try {
      const response = await fetch(path, { method: 'POST', headers, body });
      show('response', response.status + ' ' + JSON.stringify(await response.json(), null, 2));
    } catch {
      show('response', 'The shop does not respond. Is it still running?');
    }
  };
</script>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
