import { Controller, Post } from '@nestjs/common';
import { CaptureService } from 'nestjs-posthog-capture';

@Controller('crash')
export class CrashController {
  constructor(private readonly capture: CaptureService) {}

  /** An error that nothing catches ends the process. It is an event of level fatal, and the events in memory are sent with it. */
  @Post()
  crash(): string {
    this.capture.step('response sent');
    this.capture.capture({ event: 'crash_requested' });
    setTimeout(() => {
      throw new Error('Nothing catches this error');
    }, 50);
    return 'The process ends now';
  }
}
