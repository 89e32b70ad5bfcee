import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { CaptureEventDto, CaptureResult, CaptureService } from 'nestjs-posthog-capture';

@Controller('capture')
export class CaptureController {
  constructor(private readonly posthog: CaptureService) {}

  /** Sends one event immediately and returns the result. */
  @Post()
  @HttpCode(200)
  capture(@Body() event: CaptureEventDto): Promise<CaptureResult> {
    return this.posthog.captureNow(event);
  }
}
