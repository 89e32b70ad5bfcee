import { existsSync, readFileSync } from 'node:fs';
import * as util from 'node:util';
import { loadNestConfig } from '../options/nest-config.js';

/**
 * Loads a .env file into the environment, as @nestjs/config does, or with Node's own parser if the package is not installed. Variables
 * that are already set take precedence.
 *
 * @throws if the file exists and cannot be read
 */
export async function loadDotEnv(): Promise<void> {
  const config = await loadNestConfig();
  if (config) await config.ConfigModule.forRoot();
  else if (existsSync('.env')) Object.assign(process.env, { ...parse(readFileSync('.env', 'utf8')), ...process.env });
}

function parse(text: string): NodeJS.Dict<string> {
  const { parseEnv } = util as Partial<Pick<typeof util, 'parseEnv'>>;
  if (parseEnv) return parseEnv(text);
  throw new Error('reading .env needs Node.js 20.12 or newer, or the package @nestjs/config');
}
