const STYLE = `
  :root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
  body { max-width: 42rem; margin: 2rem auto; padding: 0 1rem }
  button { font: inherit; padding: .5rem 1rem; margin: 0 .5rem .5rem 0; cursor: pointer }
  pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .5rem }
`;

const SCRIPT = `
  const answer = document.querySelector('#answer');
  async function send(path, body) {
    const options = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(path, options);
    answer.textContent = response.status + ' ' + await response.text();
  }
  document.querySelector('#order').onclick = () => send('/orders', { customer: 'user_123', product: 'teapot', quantity: 1 });
  document.querySelector('#view').onclick = () => send('/capture', { event: 'page_view', distinct_id: 'user_123', properties: { page: '/' } });
  document.querySelector('#wrong').onclick = () => send('/capture', { event: 'page_view' });
`;

/** What to try, as one page without outside addresses. */
export function welcomePage(eventsPage: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tea shop</title>
<style>${STYLE}</style>
<h1>Tea shop</h1>
<p>A small Nest application that captures product events with <code>nestjs-posthog-capture</code>.</p>
<p>
  <button id="order">Order a teapot</button>
  <button id="view">Send a page_view</button>
  <button id="wrong">Send one without a person</button>
</p>
<pre id="answer">The answer appears here.</pre>
<p><a href="${eventsPage}">See the events arrive</a></p>
<script>${SCRIPT}</script>
</html>`;
}
