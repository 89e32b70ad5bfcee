import { createServer } from 'node:net';

const USUAL_PORT = 3000;
const TRIES = 20;

/** The port that was asked for, if it is free; null if not. Asked for none: 3000, or the next one that is free. */
export async function choosePort(wanted: string | undefined): Promise<number | null> {
  const ports = wanted ? [Number(wanted)] : Array.from({ length: TRIES }, (_, index) => USUAL_PORT + index);
  for (const port of ports)
    if (Number.isInteger(port) && port >= 1 && port <= 65_535 && (await isFree(port))) return port;
  return null;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false));
    probe.listen(port, () => probe.close(() => resolve(true)));
  });
}
