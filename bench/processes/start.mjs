// Time to load and boot an application, one per process.
import { serve } from '../support/processes.mjs';

const loadNest = () => Promise.all([import('reflect-metadata'), import('@nestjs/common'), import('@nestjs/core')]);

const PEERS = ['@nestjs/axios', '@nestjs/config', 'axios', 'class-validator', 'class-transformer'];

/** A client in a custom provider, for libraries without a Nest module. */
const providing = (client) => [{ module: class Analytics {}, providers: [{ provide: 'analytics', useValue: client }] }];

/** Loads the library and returns the imports of the application. */
const VARIANTS = {
  nest: () => () => [],
  async peers() {
    const [{ HttpModule }, { ConfigModule }] = await Promise.all(PEERS.map((name) => import(name)));
    return () => [HttpModule, ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true })];
  },
  async ours() {
    const { PostHogCaptureModule } = await import('nestjs-posthog-capture');
    return ({ url }) => [PostHogCaptureModule.forRoot({ apiKey: 'phc_bench', host: url })];
  },
  async 'ours, store'() {
    const { PostHogCaptureModule } = await import('nestjs-posthog-capture');
    const { fileEventStore } = await import('nestjs-posthog-capture/store');
    return ({ url, storePath }) => [
      PostHogCaptureModule.forRoot({ apiKey: 'phc_bench', host: url, store: fileEventStore({ path: storePath }) }),
    ];
  },
  async 'posthog-node'() {
    const { PostHog } = await import('posthog-node');
    return ({ url }) => providing(new PostHog('phc_bench', { host: url }));
  },
  async segment() {
    const { Analytics } = await import('@segment/analytics-node');
    return ({ url }) => providing(new Analytics({ writeKey: 'bench', host: url }));
  },
};

class Application {}

serve({
  async boot({ variant, ...options }) {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    const [, , { NestFactory }] = await loadNest();
    const importsOf = await VARIANTS[variant]();
    const loadedAt = performance.now();
    await NestFactory.createApplicationContext(
      { module: Application, imports: importsOf(options) },
      { logger: ['error', 'warn'] },
    );
    const bootedAt = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    return {
      loadMs: loadedAt - startedAt,
      bootMs: bootedAt - loadedAt,
      totalMs: bootedAt - startedAt,
      cpuMs: (user + system) / 1000,
      rssBytes: process.memoryUsage.rss(),
    };
  },
});
