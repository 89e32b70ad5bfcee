import { type ModulesContainer } from '@nestjs/core';
import { messageKindOf, methodsOf } from '../call/nest-metadata.js';
import { type HttpAdapter } from '../http/http-adapters.js';
import { type ExceptionObserver } from './exception-observer.js';
import { type FilterKind, openSeams, seeErrors } from './filter-seams.js';
import { addGraphqlErrors } from './graphql-errors.js';
import { type HttpApplication, HttpErrors } from './http-errors.js';
import { MessageErrors } from './message-errors.js';
import { openRouteSeam, seeStreamErrors } from './stream-errors.js';

/** An application whose errors are observed. */
export interface ErrorApplication extends HttpApplication {
  readonly exceptions: ExceptionObserver;
  readonly warn: (kind: string, text: string) => void;
}

const KINDS: Readonly<Record<FilterKind | 'routes', string>> = {
  http: 'HTTP requests',
  routes: 'streams and server-sent events',
  external: 'GraphQL resolvers',
  rpc: 'message handlers',
  ws: 'gateways',
};

/** The places where Nest passes on the errors of an application. Nothing is changed until `open` is called. */
export class ErrorSources {
  readonly #app: ErrorApplication;
  readonly #http: HttpErrors;

  constructor(app: ErrorApplication) {
    this.#app = app;
    this.#http = new HttpErrors(app);
  }

  /** Must be called before Nest registers handlers. */
  async open(modules: ModulesContainer): Promise<void> {
    const messages = new MessageErrors(this.#app.exceptions);
    seeErrors(modules, {
      http: this.#http.see,
      external: messages.external,
      rpc: messages.rpc,
      ws: messages.ws,
    });
    const closed: (FilterKind | 'routes')[] = [
      ...(await openSeams()),
      ...((await openRouteSeam()) ? [] : ['routes' as const]),
    ];
    const handled = closed.length === 0 ? [] : [...methodsOf(modules)].map(messageKindOf);
    // Without a handler, the package need not be installed.
    for (const kind of closed.filter((one) => (one !== 'rpc' && one !== 'ws') || handled.includes(one))) {
      const text = `exceptions: unhandled errors of ${KINDS[kind]} are not captured, because this version of Nest has no known place for them.`;
      this.#app.warn(
        `exceptions: ${kind}`,
        `${text} Update nestjs-posthog-capture, or call captureException() in an exception filter.`,
      );
    }
  }

  /** Must be called when all modules are known and the adapter is, before modules are initialized. */
  prepare(modules: ModulesContainer, ownModule: object, adapter: HttpAdapter | undefined): void {
    if (!this.#app.exceptions.isActive) return;
    addGraphqlErrors(this.#app.exceptions, modules, ownModule);
    if (adapter === undefined) return;
    seeStreamErrors(adapter, (error, request, response, handler) => {
      this.#http.failed(error, request, response, handler)?.();
    });
  }
}
