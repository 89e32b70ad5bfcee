import { type INestApplication } from '@nestjs/common';

const USUAL_PORT = 3000;
const TRIES = 20;

/**
 * Listens on PORT. Without one, on 3000 or the next port that is free.
 *
 * @returns the address; null when PORT is taken
 */
export async function listen(app: INestApplication): Promise<string | null> {
  const wanted = process.env.PORT;
  const ports = wanted ? [Number(wanted)] : Array.from({ length: TRIES }, (_, index) => USUAL_PORT + index);
  for (const port of ports) {
    try {
      await app.listen(port);
      return (await app.getUrl()).replace('[::1]', 'localhost');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    }
  }
  process.stderr.write(`Port ${ports.join(', ')} is taken. Choose another one: PORT=4000 npm start\n`);
  process.exitCode = 1;
  return null;
}
