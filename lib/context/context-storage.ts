import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { processWide } from '../process-wide.js';
import { type ActingContext, type CaptureContext, type SerializedContext } from './capture-context.js';
import { checkContext, type Warn } from './check-context.js';
import { changeScope, contextOf, type ContextScope, openScope, personlessIdOf } from './context-scope.js';

const NOBODY: ActingContext = Object.freeze({});

/**
 * Who is acting, through everything that a function starts. There is one AsyncLocalStorage per process, so all instances
 * of this class see the same contexts. What is wrong in a context is ignored and reported, never thrown.
 */
export class ContextStorage {
  private readonly scopes = processWide('context', () => new AsyncLocalStorage<ContextScope>());

  /** @param warn hears what was ignored, without any values. Must not throw. Default: nobody hears it */
  constructor(private readonly warn: Warn = () => undefined) {}

  /** The context as an event sees it. Shared, so never change it. Empty outside of any context. */
  current(): ActingContext {
    const scope = this.scopes.getStore();
    return scope === undefined ? NOBODY : contextOf(scope);
  }

  /** A copy of the current context with all that it inherited; `{}` outside of any context. */
  get(): CaptureContext {
    const { distinctId, sessionId, groups, properties, optedOut } = this.current();
    return {
      ...(distinctId !== undefined && { distinctId }),
      ...(sessionId !== undefined && { sessionId }),
      ...(groups !== undefined && { groups: { ...groups } }),
      ...(properties !== undefined && { properties: { ...properties } }),
      ...(optedOut !== undefined && { optedOut }),
    };
  }

  /**
   * Adds to the current context, for it and for what it starts: single values replace, groups and properties merge.
   *
   * @returns false outside of any context, where there is nothing to add to
   */
  set(partial: CaptureContext): boolean {
    const scope = this.scopes.getStore();
    if (scope === undefined) return false;
    changeScope(scope, checkContext(partial, this.warn));
    return true;
  }

  /**
   * Runs a function, and everything that it starts, in a context that adds to the current one: single values replace, groups
   * and properties merge. Takes what `export()` gave, also after a trip through JSON.
   *
   * @returns what the function returns; what it throws passes through
   */
  run<T>(context: CaptureContext | null | undefined, fn: () => T): T {
    const added = checkContext(context, this.warn);
    return this.scopes.run(openScope(this.scopes.getStore(), added), fn);
  }

  /** The current context as plain JSON. A property that JSON cannot say is left out and reported. */
  export(): SerializedContext {
    const exported = this.get();
    const { properties } = exported;
    if (properties !== undefined) {
      exported.properties = Object.fromEntries(
        Object.entries(properties).flatMap(([name, value]) => {
          const plain = this.plainJson(name, value);
          return plain === undefined ? [] : [[name, plain]];
        }),
      );
    }
    return exported as SerializedContext;
  }

  /**
   * The distinct id of events without a person: one random uuid per context, shared by the contexts within that name nobody. Outside
   * of any context a new one each time.
   */
  personlessId(): string {
    const scope = this.scopes.getStore();
    return scope === undefined ? randomUUID() : personlessIdOf(scope);
  }

  private plainJson(name: string, value: unknown): unknown {
    try {
      const text = JSON.stringify(value) as string | undefined;
      return text === undefined ? undefined : JSON.parse(text);
    } catch {
      this.warn(`property "${name}" of the context was left out of its export: it cannot be written as JSON`);
      return undefined;
    }
  }
}
