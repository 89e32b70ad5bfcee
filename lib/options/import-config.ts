import type * as NestConfig from '@nestjs/config';

export type ImportedConfig = { readonly config: typeof NestConfig } | { readonly error: unknown };

/** The import is within a `try`, where bundlers accept a package that is not installed. */
export async function importConfig(): Promise<ImportedConfig> {
  try {
    return { config: await import('@nestjs/config') };
  } catch (error) {
    return { error };
  }
}
