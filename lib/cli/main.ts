#!/usr/bin/env node
import 'reflect-metadata';
import { type WriteStream } from 'node:tty';
import { runCli } from './cli.js';
import { EXIT, printable } from './terminal.js';

/** Line width when the output is a file or a pipe. */
const COLUMNS_WITHOUT_TERMINAL = 200;

/** Read on each call because the window may be resized. */
const columnsOf = ({ isTTY, columns }: WriteStream): number =>
  isTTY ? Math.max(40, columns) : COLUMNS_WITHOUT_TERMINAL;

const interruption = new AbortController();
const interrupt = (): void => interruption.abort();

// Only once, so that a second Ctrl-C ends the process immediately.
process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
let hasOutputFailed = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  interrupt();
  // The reader of the output has gone away (`| head -1`). That is not an error.
  if (error.code === 'EPIPE' || hasOutputFailed) return;
  hasOutputFailed = true;
  process.exitCode = EXIT.failed;
  process.stderr.write(`posthog-capture: cannot write the output: ${printable(error.message)}\n`);
});
process.stderr.on('error', () => undefined);

void runCli(process.argv.slice(2), {
  get input() {
    return process.stdin;
  },
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  interactive: process.stderr.isTTY,
  get columns() {
    return columnsOf(process.stdout);
  },
  get errColumns() {
    return columnsOf(process.stderr);
  },
  signal: interruption.signal,
}).then((code) => {
  // process.exit() would discard output that a pipe has not read yet.
  process.exitCode = hasOutputFailed ? EXIT.failed : code;
  // A module of the application may have left a connection or a timer open.
  if (process.argv[2] === 'events') process.stdout.write('', () => process.stderr.write('', () => process.exit()));
});
