import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { CaptureEventDto, CaptureResult, CaptureService } from 'nestjs-posthog-capture';

@Controller('capture')
export class CaptureController {
  constructor(private readonly posthog: CaptureService) {}

  /** Sends one event at once and answers what PostHog answered. */
  @Post()
  @HttpCode(200)
  capture(@Body() event: CaptureEventDto): Promise<CaptureResult> {
    return this.posthog.captureNow(event);
  }
}
