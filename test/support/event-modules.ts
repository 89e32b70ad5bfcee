import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));

const IMPORTS = `
import { defineEvent, Event, Pii } from 'nestjs-posthog-capture';
import { z } from 'zod';
`;

/** Compiled modules of an application, in a folder from which packages can be imported. */
export class EventModules {
  readonly folder: string;
  #count = 0;

  constructor() {
    mkdirSync(CACHE, { recursive: true });
    this.folder = mkdtempSync(join(CACHE, 'events-'));
  }

  /** Writes a module that imports `defineEvent`, `Event`, `Pii` and `z`. Each has a path of its own: modules are loaded once. */
  esm(code: string): string {
    return this.file(`module-${this.#count++}.mjs`, `${IMPORTS}${code}`);
  }

  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
