import { SCRIPT } from './home.script.js';
import { STYLE } from './home.style.js';

/** The page at `/`. It loads nothing from other origins. */
export function homePage(eventsUrl: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quick start shop</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
<header>
  <div>
    <h1>Quick start shop</h1>
    <p>Press a button, and watch its event on the way to PostHog.</p>
  </div>
  <nav>
    <a href="/_posthog" target="_blank">Inspector</a>
    <a href="${escapeHtml(eventsUrl)}" target="_blank" rel="noreferrer">Events in PostHog</a>
  </nav>
</header>
<main>
  <div class="try">
    <section class="card">
      <h2>Buy something</h2>
      <p><code>capture()</code> queues the event and returns at once.</p>
      <div class="buttons">
        <button data-path="/orders" data-body='{"product":"coffee","customer":"user_123"}'>A coffee</button>
        <button data-path="/orders" data-body='{"product":"cake","customer":"user_456","quantity":2}'>Two cakes</button>
      </div>
    </section>
    <section class="card">
      <h2>Send an event and wait</h2>
      <p><code>captureNow()</code> returns the answer of PostHog.</p>
      <div class="buttons">
        <button data-path="/capture" data-body='{"event":"page_view","distinct_id":"user_123","properties":{"path":"/"}}'>Send page_view</button>
      </div>
    </section>
    <section class="card">
      <h2>Send an invalid event</h2>
      <p><code>CaptureEventDto</code> rejects it and names the field.</p>
      <div class="buttons">
        <button data-path="/capture" data-body='{"event":"page_view"}'>Leave out distinct_id</button>
      </div>
    </section>
  </div>
  <section class="card response">
    <div class="head"><h2>Response</h2><span id="status" role="status"></span></div>
    <pre id="sent">The request appears here, as a command for your terminal.</pre>
    <pre id="answer">…</pre>
  </section>
  <section class="card">
    <div class="head"><h2>Latest events</h2><span id="live" class="quiet"></span></div>
    <ol id="events"></ol>
    <p id="none">No event yet.</p>
  </section>
</main>
<script>${SCRIPT}</script>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
