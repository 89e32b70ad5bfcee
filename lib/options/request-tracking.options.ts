/** How HTTP requests are captured. */
export interface RequestTrackingOptions {
  /** The name of the event. Default: `http_request`. */
  event?: string | undefined;
  /** The share of persons whose requests are captured, 0 to 1. Default: 1. */
  sampleRate?: number | undefined;
  /**
   * Requests that are not captured, such as health checks: by path or route template, exactly (`/health`) or by their begin
   * (`/static/*`), or by a regular expression on the path. Default: none.
   */
  ignore?: readonly (string | RegExp)[] | undefined;
}
