/** What is used of Nest's adapter for HTTP. */
export interface HttpAdapter {
  getType?(): string;
  getInstance(): unknown;
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

/** Where Fastify keeps its hooks, in the order in which they run. */
const FASTIFY_HOOKS = 'fastify.hooks';

/** An adapter's framework, where it is one that we know; both have hooks of their own, which any number of guests can share. */
export function frameworkOf(
  adapter: HttpAdapter | undefined,
): { readonly express: ExpressApplication } | { readonly fastify: FastifyInstance } | undefined {
  const type = adapter?.getType?.();
  if (type === 'express') return { express: adapter?.getInstance() as ExpressApplication };
  if (type === 'fastify') return { fastify: adapter?.getInstance() as FastifyInstance };
  return undefined;
}

/**
 * Runs a middleware before all others, body parsers and routes that are there already included. Settings such as `trust proxy` and
 * `query parser` stay open until then, because Express reads them when its router is made.
 */
export function runFirst(express: ExpressApplication, middleware: Middleware): void {
  express.use(middleware);
  const { stack } = routerOf(express);
  const layer = stack.pop();
  if (layer) stack.unshift(layer);
}

/**
 * Runs one middleware when a route of Express has been chosen and a second when its handlers have passed the request on, as Nest's do
 * for another host or version.
 *
 * @param choose says by the route's handlers whether it is of interest
 */
export function aroundRoutes(
  express: ExpressApplication,
  choose: (handlers: readonly unknown[]) => { enter: Middleware; leave: Middleware } | undefined,
): void {
  for (const { route } of routerOf(express).stack) {
    const middleware = route && choose(route.stack.map(({ handle }) => handle));
    if (!route || !middleware) continue;
    // `all` would make the route answer every method.
    for (const method of route.methods._all ? ['all'] : Object.keys(route.methods)) {
      const last = route.stack.length;
      const add = (Reflect.get(route, method) as (middleware: Middleware) => unknown).bind(route);
      add(middleware.enter);
      route.stack.unshift(...route.stack.splice(last, 1));
      add(middleware.leave);
    }
  }
}

/** Express 4 refuses to have its `router` read. */
function routerOf(express: ExpressApplication): { stack: ExpressLayer[] } {
  return express._router ?? express.router ?? { stack: [] };
}

/**
 * Runs a hook of Fastify before anything else, the middleware of Nest included, which is a hook as well and may be there already.
 * One is enough: Fastify itself keeps a request's AsyncLocalStorage while it reads the body, and each kind of hook costs every request.
 */
export function hookRequests(fastify: FastifyInstance, hook: FastifyHook): void {
  fastify.addHook('onRequest', hook);
  // Fastify adds a hook when its turn comes, and this comes after it.
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

/** Runs a hook of Fastify right before the handler of a route. */
export function hookRoutes(
  fastify: FastifyInstance,
  enter: (config: unknown, ...rest: Parameters<FastifyHook>) => void,
): void {
  fastify.addHook('preHandler', (request, reply, done) => enter(request.routeOptions?.config, request, reply, done));
}
