/** The stream of messages. It reconnects automatically. */

const RECONNECT_MS = 1500;
/** Silence after which the connection counts as lost. The server sends a message every second. */
const SILENCE_MS = 6000;

/**
 * @param {string} url
 * @param {{ snapshot(message: LiveSnapshot): void, update(message: LiveUpdate): void, away(since: number): void }} handlers
 */
function connect(url, handlers) {
  let lastHeard = Date.now();
  /** @type {number | null} */
  let awaySince = null;
  /** @type {EventSource | null} */
  let source = null;

  const open = () => {
    source?.close();
    source = new EventSource(url);
    lastHeard = Date.now();
    source.addEventListener('snapshot', ({ data }) => {
      lastHeard = Date.now();
      awaySince = null;
      handlers.snapshot(JSON.parse(data));
    });
    source.addEventListener('update', ({ data }) => {
      lastHeard = Date.now();
      handlers.update(JSON.parse(data));
    });
    source.addEventListener('error', () => {
      awaySince ??= Date.now();
      handlers.away(awaySince);
    });
  };
  setInterval(() => {
    if (awaySince === null && Date.now() - lastHeard > SILENCE_MS) awaySince = lastHeard;
    if (awaySince === null) return;
    handlers.away(awaySince);
    // The browser does not reconnect after an error response, and does not notice a server that vanished.
    if (source?.readyState !== EventSource.CONNECTING || Date.now() - lastHeard > SILENCE_MS) open();
  }, RECONNECT_MS);
  open();
}
