import { Injectable, Module } from '@nestjs/common';
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';

/** A part of the application that is CommonJS, as an internal package may be. */
@Injectable()
class FeatureService {
  constructor(readonly posthog: CaptureService) {}

  @TrackEvent('feature_used')
  use(): void {
    this.posthog.capture({ event: 'feature_detail' });
  }
}

@Module({ providers: [FeatureService] })
class FeatureModule {}

export { CaptureService, FeatureModule, FeatureService, TrackEvent };
