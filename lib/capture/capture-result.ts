import { Exclude, Expose } from 'class-transformer';

/**
 * The result of `captureNow`. Its JSON is `{"success":true,"event":"page_view","distinct_id":"user_123","error":null}`, with
 * JSON.stringify and with Nest's ClassSerializerInterceptor.
 */
@Exclude()
export class CaptureResult {
  /** true: PostHog accepted the event. */
  @Expose()
  readonly success: boolean;

  @Expose()
  readonly event: string;

  @Expose({ name: 'distinct_id' })
  readonly distinctId: string;

  /** E.g. `PostHog API error: HTTP 401`; null on success. */
  @Expose()
  readonly error: string | null;

  /** The event's uuid; null if the event was dropped before it had one. Not in the JSON. */
  readonly uuid: string | null;

  constructor(result: { event: string; distinctId: string; error: string | null; uuid: string | null }) {
    this.success = result.error === null;
    this.event = result.event;
    this.distinctId = result.distinctId;
    this.error = result.error;
    this.uuid = result.uuid;
  }

  /** With the field names of PostHog. */
  toJSON(): { success: boolean; event: string; distinct_id: string; error: string | null } {
    return { success: this.success, event: this.event, distinct_id: this.distinctId, error: this.error };
  }
}
