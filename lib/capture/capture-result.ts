import { Exclude, Expose } from 'class-transformer';

/**
 * What became of one event, for whoever waited for it. Its JSON is
 * `{"success":true,"event":"page_view","distinct_id":"user_123","error":null}`, under JSON.stringify and under Nest's
 * ClassSerializerInterceptor alike.
 */
@Exclude()
export class CaptureResult {
  /** Whether PostHog took the event. */
  @Expose()
  readonly success: boolean;

  @Expose()
  readonly event: string;

  @Expose({ name: 'distinct_id' })
  readonly distinctId: string;

  /** What went wrong, e.g. `PostHog API error: HTTP 401`; null on success. */
  @Expose()
  readonly error: string | null;

  /** The event's uuid; null when it never got one. Not in the JSON. */
  readonly uuid: string | null;

  constructor(result: { event: string; distinctId: string; error: string | null; uuid: string | null }) {
    this.success = result.error === null;
    this.event = result.event;
    this.distinctId = result.distinctId;
    this.error = result.error;
    this.uuid = result.uuid;
  }

  toJSON(): { success: boolean; event: string; distinct_id: string; error: string | null } {
    return { success: this.success, event: this.event, distinct_id: this.distinctId, error: this.error };
  }
}
