import { type EventMessage, type FeatureFlagEvaluations, type PostHog, type PostHogOptions } from 'posthog-node';
import { fieldOf } from '../shared/untrusted-values.js';
import { type BridgedCall, currentCall, runCall } from './bridged-call.js';

/** The instance, as its client needs it. */
export interface ClientHost {
  /** null: the error has been captured, or is beyond the limit. Otherwise the number of errors that the limit suppressed before it. */
  claimError(error: unknown): number | null;
  /** Marks an error, so that it is captured once. */
  markError(error: unknown): void;
  flush(timeoutMs?: number): Promise<void>;
  /** Called when the client is shut down. */
  stop(): void;
}

type Client = new (apiKey: string, options: PostHogOptions, host: ClientHost) => PostHog;
type Identified = Parameters<PostHog['identifyImmediate']>[0];
type Aliased = Parameters<PostHog['aliasImmediate']>[0];
type GroupIdentified = Parameters<PostHog['groupIdentifyImmediate']>[0];

/** Milliseconds that posthog-node's own work may take when the application closes. */
const CLOSE_TIMEOUT_MS = 10_000;

/**
 * A subclass of posthog-node's client, with public methods only: `before_send` alone does not tell whether an id was given, and whether the
 * caller waits.
 *
 * @param Base ESM and CommonJS each have their own
 */
export function bridgedClient(Base: typeof PostHog): Client {
  return class extends Base {
    readonly #host: ClientHost;

    constructor(apiKey: string, options: PostHogOptions, host: ClientHost) {
      super(apiKey, options);
      this.#host = host;
    }

    override capture(props: EventMessage): void {
      runCall(this.#callOf(props), () => super.capture(props));
    }

    override captureImmediate(props: EventMessage): Promise<void> {
      return this.#sendNow(this.#callOf(props, { isImmediate: true }), () => super.captureImmediate(props));
    }

    override captureAi(props: EventMessage): string | undefined {
      return runCall(this.#callOf(props, { isAi: true }), () => super.captureAi(props));
    }

    override captureAiImmediate(props: EventMessage): Promise<string | undefined> {
      const call = this.#callOf(props, { isAi: true, isImmediate: true });
      return this.#sendNow(call, () => super.captureAiImmediate(props));
    }

    override identifyImmediate(props: Identified): Promise<void> {
      return this.#sendNow(this.#callOf(props, { isImmediate: true }), () => super.identifyImmediate(props));
    }

    override aliasImmediate(props: Aliased): Promise<void> {
      return this.#sendNow(this.#callOf(props, { isImmediate: true }), () => super.aliasImmediate(props));
    }

    override groupIdentifyImmediate(props: GroupIdentified): Promise<void> {
      // posthog-node derives an id from the group.
      const call: BridgedCall = { hasIdentity: true, isImmediate: true };
      return this.#sendNow(call, () => super.groupIdentifyImmediate(props));
    }

    override captureException(
      error: unknown,
      distinctId?: string,
      properties?: Record<string | number, unknown>,
      uuid?: string,
      flags?: FeatureFlagEvaluations,
    ): void {
      const suppressed = this.#host.claimError(error);
      if (suppressed === null) return;
      const call = this.#callOf({ distinctId, properties }, { error: { value: error, suppressed } });
      runCall(call, () => super.captureException(error, distinctId, properties, uuid, flags));
      // Not before: posthog-node captures no error that is marked.
      this.#host.markError(error);
    }

    override captureExceptionImmediate(
      error: unknown,
      distinctId?: string,
      properties?: Record<string | number, unknown>,
      flags?: FeatureFlagEvaluations,
    ): Promise<void> {
      const suppressed = this.#host.claimError(error);
      if (suppressed === null) return Promise.resolve();
      const call = this.#callOf({ distinctId, properties }, { error: { value: error, suppressed }, isImmediate: true });
      const sent = this.#sendNow(call, () => super.captureExceptionImmediate(error, distinctId, properties, flags));
      this.#host.markError(error);
      return sent;
    }

    override async flush(): Promise<void> {
      // Waits for errors that are being described, and for products other than events.
      await super.flush();
      await this.#host.flush();
    }

    override async shutdown(shutdownTimeoutMs = 30_000): Promise<void> {
      const startedAt = performance.now();
      await this.#stop(shutdownTimeoutMs);
      await this.#host.flush(Math.max(0, shutdownTimeoutMs - (performance.now() - startedAt)));
    }

    /** Called by Nest where the client is a provider. The instance sends the events when it is closed itself. */
    async onApplicationShutdown(): Promise<void> {
      await this.#stop(CLOSE_TIMEOUT_MS);
    }

    async #stop(timeoutMs: number): Promise<void> {
      this.#host.stop();
      await super.shutdown(timeoutMs);
    }

    /** posthog-node resolves as soon as the event is captured. */
    async #sendNow<T>(call: BridgedCall, send: () => Promise<T>): Promise<T> {
      const result = await runCall(call, send);
      await call.sent;
      return result;
    }

    #callOf(props: unknown, more: Partial<BridgedCall> = {}): BridgedCall {
      const given = fieldOf(props, 'distinctId') ?? '';
      const hasIdentity = given !== '' || (this.getContext()?.distinctId ?? '') !== '';
      return {
        hasIdentity,
        givenProfile: hasIdentity ? undefined : fieldOf(fieldOf(props, 'properties'), '$process_person_profile'),
        // captureExceptionImmediate() calls captureImmediate().
        error: currentCall()?.error,
        ...more,
      };
    }
  };
}
