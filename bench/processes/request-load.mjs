// The HTTP clients: keep-alive connections that each send the next request after the previous response.
import { connect } from 'node:net';
import { quantile } from '../support/numbers.mjs';
import { serve } from '../support/processes.mjs';

const CONNECTIONS = 8;

/** Sends requests over one connection while `next` returns a number. Resolves after the last response. */
function keepAsking(port, next, latencies) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let startedAt;
    let text = '';
    const ask = () => {
      const id = next();
      if (id === null) {
        socket.destroy();
        resolve();
        return;
      }
      startedAt = performance.now();
      socket.write(
        `GET /orders/${id} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n`,
      );
    };
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.once('connect', ask);
    socket.once('error', reject);
    socket.on('data', (part) => {
      text += part;
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/^content-length: (\d+)/im.exec(text)?.[1]);
      if (!text.startsWith('HTTP/1.1 200') || Number.isNaN(length)) {
        reject(new Error(`unexpected response: ${text.slice(0, 200)}`));
        socket.destroy();
        return;
      }
      if (text.length < end + 4 + length) return;
      latencies.push(performance.now() - startedAt);
      text = '';
      ask();
    });
  });
}

/** Keeps this process busy until it is stopped, so that the CPU does not sleep. */
function stayAwake() {
  let isDone = false;
  const turn = () => isDone || setImmediate(turn);
  turn();
  return () => (isDone = true);
}

serve({
  /**
   * @param awake the clients never sleep: to wake them up is work of the kernel, which counts as that of the server whose answer does it.
   *   They take a core of their own for it
   */
  async run({ port, count, awake = false }) {
    const sleep = awake ? stayAwake() : () => undefined;
    let n = 0;
    const next = () => (n < count ? n++ : null);
    const latencies = [];
    const startedAt = performance.now();
    try {
      await Promise.all(Array.from({ length: CONNECTIONS }, () => keepAsking(port, next, latencies)));
    } finally {
      sleep();
    }
    const seconds = (performance.now() - startedAt) / 1000;
    return {
      perSecond: count / seconds,
      p50Us: quantile(latencies, 0.5) * 1000,
      p99Us: quantile(latencies, 0.99) * 1000,
    };
  },
});
