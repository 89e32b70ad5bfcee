import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { FakePostHog } from 'nestjs-posthog-capture/testing';

/** Where this shop's events go: PostHog when POSTHOG_API_KEY is set, else a local PostHog in this process. */
@Injectable()
export class Destination implements OnApplicationShutdown {
  constructor(private readonly local: FakePostHog | null) {}

  static async choose(): Promise<Destination> {
    return new Destination(process.env.POSTHOG_API_KEY ? null : await FakePostHog.start());
  }

  /** Options that the environment does not give. */
  get options(): { apiKey?: string; host?: string } {
    return this.local ? { apiKey: 'phc_local', host: this.local.url } : {};
  }

  /** Where the events can be seen. */
  get eventsPage(): string {
    return this.local?.url ?? process.env.POSTHOG_HOST ?? 'https://us.posthog.com';
  }

  onApplicationShutdown(): void {
    // After the events that are still on their way.
    setTimeout(() => void this.local?.close(), 0);
  }
}
