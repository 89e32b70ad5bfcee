import { CaptureService } from '../capture/capture.service.js';
import { type CaptureEventDto } from '../capture/input/capture-event.dto.js';
import { type CaptureResult } from '../capture/capture-result.js';
import { PostHogCaptureModule } from '../module/posthog-capture.module.js';
import { boot, loggerTo } from './boot.js';
import { type Flags } from './flags.js';
import { readJob } from './job.js';
import { EXIT, type Terminal } from './terminal.js';

/**
 * `posthog-capture run`: sends one event, prints the answer, and says by the exit code how it went.
 *
 * @throws UsageError when nothing can be sent
 */
export async function run(values: Flags['values'], terminal: Terminal): Promise<number> {
  try {
    const event = await readJob(values, terminal);
    const { success } = await send(event, values.get('host'), terminal);
    if (success) return EXIT.ok;
  } catch (error) {
    if (!terminal.signal.aborted) throw error;
  }
  return terminal.signal.aborted ? EXIT.interrupted : EXIT.failed;
}

async function send(event: CaptureEventDto, host: string | undefined, terminal: Terminal): Promise<CaptureResult> {
  const warn = (text: string): void => {
    // The answer on standard output says it already.
    if (!text.includes('(undelivered)')) terminal.err(`posthog-capture run: warning: ${text}\n`);
  };
  const app = await boot(PostHogCaptureModule.forRoot({ host, logger: loggerTo(warn) }));
  try {
    const result = await app.get(CaptureService).captureNow(event.toCaptureEvent(), { signal: terminal.signal });
    terminal.out(`${JSON.stringify(result)}\n`);
    return result;
  } finally {
    await app.close();
  }
}
