import { Injectable, Module } from '@nestjs/common';
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';

/** A CommonJS part of the application, such as an internal package. */
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
