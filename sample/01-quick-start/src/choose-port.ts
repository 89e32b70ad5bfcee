import { createServer } from 'node:net';

const DEFAULT_PORT = 3000;
const TRIES = 20;

/** Returns the wanted port, or null if it is invalid or in use. Without a wanted port, returns the first free port from 3000. */
export async function choosePort(wanted: string | undefined): Promise<number | null> {
  const ports = wanted ? [Number(wanted)] : Array.from({ length: TRIES }, (_, index) => DEFAULT_PORT + index);
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
