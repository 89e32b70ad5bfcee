#!/usr/bin/env node
import 'reflect-metadata';
import { type WriteStream } from 'node:tty';
import { runCli } from './cli.js';

/** Columns of a file or a pipe, which take any: long enough to read, short enough for a log. */
const WITHOUT_TERMINAL = 200;

/** Asked each time, as a window may change. */
const columnsOf = ({ isTTY, columns }: WriteStream): number => (isTTY ? Math.max(40, columns) : WITHOUT_TERMINAL);

const interruption = new AbortController();
const interrupt = (): void => interruption.abort();

// Once: a second Ctrl-C ends the process at once.
process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
// Whoever read the answers has gone away (`| head -1`), which is no error of ours.
process.stdout.on('error', interrupt);
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
  // Not process.exit(): it would cut what a pipe has not taken yet.
  process.exitCode = code;
});
