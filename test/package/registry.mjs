// A registry that has the package's archive, and sends for all others to the configured one: for commands that name the package.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { manifest, packed, run } from '../../scripts/application.mjs';

/** @returns the environment in which npm asks it, and `close` */
export async function startRegistry(folder) {
  const archive = readFileSync(await packed());
  const { stdout } = await run(folder, 'npm', ['config', 'get', 'registry']);
  const upstream = stdout.trim().replace(/\/$/, '');
  const { name, version } = manifest;
  const server = createServer((request, response) => {
    if (request.url === `/${name}`) {
      const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
      const dist = { tarball: `${address}/${name}.tgz`, integrity };
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } }),
      );
    } else if (request.url === `/${name}.tgz`) {
      response.end(archive);
    } else {
      response.writeHead(302, { location: upstream + request.url }).end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${server.address().port}`;
  return {
    env: { npm_config_registry: address },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
