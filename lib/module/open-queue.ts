import { type CaptureQueue } from '../queue/capture-queue.js';

/**
 * A URL is a queue on Redis with default options. Imported only then: it needs an optional package.
 *
 * @throws PostHogConfigurationError if the URL cannot be used, or no client for Redis is installed
 */
export async function openQueue(queue: CaptureQueue | string): Promise<CaptureQueue> {
  if (typeof queue !== 'string') return queue;
  const { redisQueue } = await import('../redis/redis-queue.js');
  return redisQueue({ connection: queue });
}
