/** The part of Nest's HTTP adapter used here. */
export interface HttpAdapter {
  getType?(): string;
  getInstance(): unknown;
  createMiddlewareFactory?(method: number): unknown;
  setNotFoundHandler?(handler: object, ...rest: unknown[]): unknown;
}

type Next = (error?: unknown) => void;
type Middleware = (request: object, response: object, next: Next) => void;

interface ExpressLayer {
  readonly handle: unknown;
  readonly route?: ExpressRoute;
}
interface ExpressRoute {
  readonly stack: ExpressLayer[];
  readonly methods: Readonly<Record<string, boolean>>;
}
interface ExpressApplication {
  use(middleware: Middleware): unknown;
  readonly router?: { stack: ExpressLayer[] };
  readonly _router?: { stack: ExpressLayer[] };
}

interface FastifyReply {
  readonly raw: object;
}
interface FastifyRequest {
  readonly raw: object;
  readonly routeOptions?: { readonly config?: unknown };
}
type FastifyHook = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void;
interface FastifyInstance {
  addHook(name: string, hook: FastifyHook): unknown;
  after(then: () => void): unknown;
}

/** Description of the symbol under which Fastify keeps its hooks, in the order in which they run. */
const FASTIFY_HOOKS = 'fastify.hooks';

/** undefined for other frameworks than Express and Fastify. */
export function frameworkOf(
  adapter: HttpAdapter | undefined,
): { readonly express: ExpressApplication } | { readonly fastify: FastifyInstance } | undefined {
  const type = adapter?.getType?.();
  if (type === 'express') return { express: adapter?.getInstance() as ExpressApplication };
  if (type === 'fastify') return { fastify: adapter?.getInstance() as FastifyInstance };
  return undefined;
}

/**
 * Runs a middleware before all others, including body parsers and routes already registered. Settings such as `trust proxy` and
 * `query parser` can no longer be changed afterwards, because Express reads them when it creates its router.
 */
export function runFirst(express: ExpressApplication, middleware: Middleware): void {
  express.use(middleware);
  const { stack } = routerOf(express);
  const layer = stack.pop();
  if (layer) stack.unshift(layer);
}

/** Calls the listener with what Nest registers from now on besides handlers, on Express: middleware, and its handler for requests not found. */
export function onNoHandler(adapter: HttpAdapter, listener: (layer: object) => void): void {
  const setNotFound = adapter.setNotFoundHandler?.bind(adapter);
  const create = adapter.createMiddlewareFactory?.bind(adapter);
  if (setNotFound !== undefined) {
    adapter.setNotFoundHandler = (handler, ...rest) => {
      listener(handler);
      return setNotFound(handler, ...rest);
    };
  }
  if (create === undefined) return;
  adapter.createMiddlewareFactory = (method) => {
    const register = create(method) as (path: string, middleware: object) => unknown;
    return (path: string, middleware: object) => {
      listener(middleware);
      return register(path, middleware);
    };
  };
}

/**
 * Runs one middleware when a request enters a route of Express and another one when the handlers of the route call `next()`, as Nest's
 * do for another host or version.
 *
 * @param choose returns the middleware for a route with these handlers, or undefined for none
 */
export function aroundRoutes(
  express: ExpressApplication,
  choose: (handlers: readonly unknown[]) => { enter: Middleware; leave: Middleware } | undefined,
): void {
  for (const { route } of routerOf(express).stack) {
    const middleware = route && choose(route.stack.map(({ handle }) => handle));
    if (!route || !middleware) continue;
    // `all` would make the route match every method.
    for (const method of route.methods._all ? ['all'] : Object.keys(route.methods)) {
      const last = route.stack.length;
      const add = (Reflect.get(route, method) as (middleware: Middleware) => unknown).bind(route);
      add(middleware.enter);
      route.stack.unshift(...route.stack.splice(last, 1));
      add(middleware.leave);
    }
  }
}

/** Reading `router` throws on Express 4. */
function routerOf(express: ExpressApplication): { stack: ExpressLayer[] } {
  return express._router ?? express.router ?? { stack: [] };
}

/**
 * Runs a hook of Fastify before all others, including Nest's middleware, which is also a hook and may be registered already. One hook is
 * enough: Fastify preserves the AsyncLocalStorage of a request while it reads the body, and each kind of hook slows down every request.
 */
export function hookRequests(fastify: FastifyInstance, hook: FastifyHook): void {
  fastify.addHook('onRequest', hook);
  // Fastify adds hooks asynchronously, in order; this runs after it has added ours.
  fastify.after(() => {
    const onRequest = hooksOf(fastify)?.onRequest;
    const place = onRequest?.indexOf(hook) ?? -1;
    if (place > 0) onRequest?.unshift(...onRequest.splice(place, 1));
  });
}

function hooksOf(fastify: FastifyInstance): { readonly onRequest?: FastifyHook[] } | undefined {
  const key = Object.getOwnPropertySymbols(fastify).find(({ description }) => description === FASTIFY_HOOKS);
  return key && (Reflect.get(fastify, key) as { readonly onRequest?: FastifyHook[] });
}

/** Runs a hook of Fastify just before the handler of a route. */
export function hookRoutes(
  fastify: FastifyInstance,
  enter: (config: unknown, ...rest: Parameters<FastifyHook>) => void,
): void {
  fastify.addHook('preHandler', (request, reply, done) => enter(request.routeOptions?.config, request, reply, done));
}
