/** The stream of messages. It comes back by itself, whatever ended it. */

const RECONNECT_MS = 1500;
/** The server says something each second. */
const SILENCE_MS = 6000;

/**
 * @param {string} url
 * @param {{ snapshot(message: LiveSnapshot): void, update(message: LiveUpdate): void, away(since: number): void }} told
 */
function connect(url, told) {
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
      told.snapshot(JSON.parse(data));
    });
    source.addEventListener('update', ({ data }) => {
      lastHeard = Date.now();
      told.update(JSON.parse(data));
    });
    source.addEventListener('error', () => {
      awaySince ??= Date.now();
      told.away(awaySince);
    });
  };
  setInterval(() => {
    if (awaySince === null && Date.now() - lastHeard > SILENCE_MS) awaySince = lastHeard;
    if (awaySince === null) return;
    told.away(awaySince);
    // The browser itself gives up after an answer that is no stream, and never notices that a server has vanished.
    if (source?.readyState !== EventSource.CONNECTING || Date.now() - lastHeard > SILENCE_MS) open();
  }, RECONNECT_MS);
  open();
}
