/** Sent as `$lib`, `$lib_version` and User-Agent. A test compares them with package.json. */
export const LIBRARY_NAME = 'nestjs-posthog-capture';
export const LIBRARY_VERSION = '0.1.0';
