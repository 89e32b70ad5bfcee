import { types } from 'node:util';
import { type LoggerService } from '@nestjs/common';
import { escapeControls } from '../../shared/escape-controls.js';
import { LogLimiter } from './log-limiter.js';

/**
 * The log of one instance: at most one line per kind and minute, so that neither an outage nor bad input floods it. Only the
 * part of a kind after the colon may come from input.
 */
export class CaptureLog {
  readonly #logger: LoggerService;
  readonly #limiter = new LogLimiter();

  constructor(logger: LoggerService) {
    this.#logger = logger;
  }

  /** @param text or a function that is only called if the line is logged */
  warn(kind: string, text: string | (() => string)): void {
    const held = this.#limiter.pass(kind);
    if (held === null) return;
    const line = textOf(text);
    this.#write('warn', held > 0 ? `${line} (${held} more since the last such line)` : line);
  }

  info(kind: string, text: string): void {
    if (this.#limiter.pass(kind) !== null) this.#write('log', text);
  }

  /** @param text or a function that is only called if the line is logged */
  debug(kind: string, text: string | (() => string)): void {
    if (this.#limiter.pass(kind) !== null) this.#write('debug', textOf(text));
  }

  /** The application's logger may throw or reject; there is nowhere left to report that. */
  #write(level: 'log' | 'warn' | 'debug', text: string): void {
    try {
      // Errors, responses and names come from outside.
      const result: unknown = this.#logger[level]?.(escapeControls(text));
      if (types.isPromise(result)) result.catch(() => undefined);
    } catch {
      // See above.
    }
  }
}

const textOf = (text: string | (() => string)): string => (typeof text === 'string' ? text : text());
