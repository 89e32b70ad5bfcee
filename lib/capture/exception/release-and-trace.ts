import { fieldOf, isNonBlank } from '../../shared/untrusted-values.js';

/** The global of `@opentelemetry/api` 1.x, and its context key of the active span. */
const OPENTELEMETRY = Symbol.for('opentelemetry.js.api.1');
const SPAN_KEY = Symbol.for('OpenTelemetry Context Key SPAN');
const TRACE_ID = /^(?!0+$)[\da-f]{32}$/;
const SPAN_ID = /^(?!0+$)[\da-f]{16}$/;

/** Properties that relate an error to a deployment and a trace. */
export interface ReleaseAndTrace {
  readonly $release_id?: string;
  readonly $trace_id?: string;
  readonly $span_id?: string;
}

/** Never throws. */
export function releaseAndTrace(): ReleaseAndTrace {
  const release = releaseId();
  return { ...(release !== undefined && { $release_id: release }), ...activeSpan() };
}

/** As `posthog-cli` injects it. */
function releaseId(): string | undefined {
  const variable = process.env.POSTHOG_RELEASE_ID?.trim();
  if (isNonBlank(variable)) return variable;
  const injected = fieldOf(globalThis, '_posthogReleaseId');
  return isNonBlank(injected) ? injected : undefined;
}

/** Read without importing OpenTelemetry, which is not a dependency. */
function activeSpan(): ReleaseAndTrace {
  try {
    const { context } = ((globalThis as Record<symbol, unknown>)[OPENTELEMETRY] ?? {}) as OpenTelemetry;
    const span = context?.active().getValue(SPAN_KEY)?.spanContext();
    const traceId = String(span?.traceId).toLowerCase();
    const spanId = String(span?.spanId).toLowerCase();
    return TRACE_ID.test(traceId) && SPAN_ID.test(spanId) ? { $trace_id: traceId, $span_id: spanId } : {};
  } catch {
    return {};
  }
}

interface OpenTelemetry {
  readonly context?: {
    active(): {
      getValue(key: symbol): { spanContext(): { readonly traceId: unknown; readonly spanId: unknown } } | undefined;
    };
  };
}
