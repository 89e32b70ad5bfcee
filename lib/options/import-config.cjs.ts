import type * as NestConfig from '@nestjs/config';

export type ImportedConfig = { readonly config: typeof NestConfig } | { readonly error: unknown };

/** Replaces `import-config.ts` in the CommonJS build. `import()` would become a call of require outside of the `try`. */
export function importConfig(): Promise<ImportedConfig> {
  try {
    return Promise.resolve({ config: require('@nestjs/config') as typeof NestConfig });
  } catch (error) {
    return Promise.resolve({ error });
  }
}
