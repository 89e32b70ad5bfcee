import type * as NestConfig from '@nestjs/config';
import { importConfig } from './import-config.js';

/** Node.js and Jest quote the package; Yarn does not. A path in the message has a slash before it. */
const NAMES_PACKAGE = /(?<![/\w-])@nestjs\/config(?![/\w-])/;

/**
 * Loads `@nestjs/config`, an optional peer.
 *
 * @returns undefined if it is not installed
 * @throws Error with the remedy, if it is installed and cannot be loaded
 */
export async function loadNestConfig(): Promise<typeof NestConfig | undefined> {
  const imported = await importConfig();
  if ('config' in imported) return imported.config;
  const { error } = imported;
  const { code, message } = Object(error) as { code?: unknown; message?: unknown };
  const [reason = ''] = String(message ?? error).split('\n');
  const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  if (isMissing && NAMES_PACKAGE.test(reason)) return undefined;
  throw new Error(
    `nestjs-posthog-capture cannot load @nestjs/config: ${reason}\n` +
      'Install the version for your Nest version, or remove it if your application does not use it:\n' +
      '  Nest 10 and 11: npm install @nestjs/config@4\n' +
      '  Nest 12: npm install @nestjs/config@12',
    { cause: error },
  );
}
