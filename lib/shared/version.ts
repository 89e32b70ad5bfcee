/** The package's name and version, as PostHog sees them (`$lib`, `$lib_version`, User-Agent). A test keeps them equal to package.json. */
export const LIBRARY_NAME = 'nestjs-posthog-capture';
export const LIBRARY_VERSION = '0.1.0';
