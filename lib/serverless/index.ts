/**
 * Sends the events of serverless functions before the platform stops the process.
 *
 * @module nestjs-posthog-capture/serverless
 */
export {
  type FlushedArguments,
  type FlushedHandler,
  type FlushedResult,
  type FlushLimits,
  type ServerlessApplication,
  withFlush,
} from './with-flush.js';
