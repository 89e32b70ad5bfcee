// `npm test`: installs missing dependencies, then runs Jest with the given arguments: npm test -- queue
import { ensureInstalled, run } from './lib.mjs';

await ensureInstalled();
const flags = [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'].filter(
  Boolean,
);
process.exitCode = await run(process.execPath, ['node_modules/jest/bin/jest.js', ...process.argv.slice(2)], {
  NODE_OPTIONS: flags.join(' '),
});
