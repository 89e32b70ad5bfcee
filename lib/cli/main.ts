#!/usr/bin/env node
import 'reflect-metadata';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../version.js';
import { listenCommand } from './listen.command.js';
import { runCommand } from './run.command.js';
import { EXIT, processTerminal, type Terminal, UsageError } from './terminal.js';

const USAGE = `Usage: posthog-capture COMMAND [options]

  run       send one event and print PostHog's answer
  listen    a PostHog of your own on this machine

posthog-capture COMMAND --help says more. --version prints the version.`;

async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case 'run':
      return runCommand(rest, terminal);
    case 'listen':
      return listenCommand(rest, terminal);
    case '--version':
      terminal.out(`${LIBRARY_NAME} ${LIBRARY_VERSION}`);
      return EXIT.ok;
    case '--help':
    case '-h':
      terminal.out(USAGE);
      return EXIT.ok;
    case undefined:
    default:
      terminal.err(USAGE);
      return EXIT.usage;
  }
}

const terminal = processTerminal();
main(process.argv.slice(2), terminal).then(
  // Not process.exit: it would cut off what is still being written.
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const usage = error instanceof UsageError;
    terminal.err(`posthog-capture: ${usage || error instanceof Error ? error.message : 'unexpected failure'}`);
    process.exitCode = usage ? EXIT.usage : EXIT.failed;
  },
);
