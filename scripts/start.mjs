// `npm start`: the quick start, from a fresh clone to a shop that answers. Installs and compiles what is missing.
import { run } from './lib.mjs';
import { MAIN, prepare } from './quick-start.mjs';

await prepare();
const code = await run(process.execPath, [MAIN]);
// Ctrl-C and SIGTERM are normal ways to stop it.
process.exitCode = [130, 143].includes(code) ? 0 : code;
