import { randomUUID } from 'node:crypto';
import { toJson } from '../json/safe-json.js';
import { type ActingContext, type CaptureContext, NO_CONTEXT, type SerializedContext } from './capture-context.js';
import { type CallInterpreter } from './call-interpreter.js';
import { checkContext, type Warn } from './check-context.js';
import { changeScope, contextOf, mergeContexts, openScope, personlessIdOf } from './context-scope.js';
import { acting } from './scopes.js';
import { quoteName, setOwn } from '../shared/untrusted-values.js';

/** As much as one event may hold: more could not be captured with it anyway. */
const MAX_EXPORTED_BYTES = 900 * 1024;

/**
 * Who is acting, through everything that a function starts. There is one AsyncLocalStorage per process, so all instances
 * of this class see the same contexts. What is wrong in a context is ignored and reported, never thrown.
 */
export class ContextStorage {
  /**
   * @param warn hears what was ignored, without any values. Must not throw. Default: nobody hears it
   * @param interpreter reads who acts out of requests. Default: nothing is read of them
   */
  constructor(
    private readonly warn: Warn = () => undefined,
    private readonly interpreter?: CallInterpreter,
  ) {}

  /** The context as an event sees it. Shared, so never change it. Empty outside of any context. */
  current(): ActingContext {
    const scope = acting.getStore();
    if (scope === undefined) return NO_CONTEXT;
    const said = contextOf(scope);
    const { source } = scope;
    if (source === undefined || this.interpreter === undefined) return said;
    const called = this.interpreter.contextOf(source);
    return saysNothing(said) ? called : mergeContexts(called, said);
  }

  /** A copy of the current context with all that it inherited; `{}` outside of any context. */
  get(): CaptureContext {
    return copyOf(this.current());
  }

  /**
   * Adds to the current context, for it and for what it starts: single values replace, groups and properties merge.
   *
   * @returns false outside of any context, where there is nothing to add to
   */
  set(partial: CaptureContext): boolean {
    const scope = acting.getStore();
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
    return acting.run(openScope(acting.getStore(), added), fn);
  }

  /**
   * The current context as plain JSON, without what only describes the current request. What JSON cannot say is replaced as in an
   * event; a property that would be too large for any event is left out and reported.
   */
  export(): SerializedContext {
    const scope = acting.getStore();
    if (scope === undefined) return {};
    const said = contextOf(scope);
    const person = scope.source === undefined ? undefined : this.interpreter?.personOf(scope.source);
    const exported = copyOf(person === undefined ? said : mergeContexts(person, said));
    const { properties } = exported;
    if (properties !== undefined) exported.properties = this.plainJson(properties);
    return exported as SerializedContext;
  }

  /**
   * The distinct id of events without a person: one random uuid per context, shared by the contexts within that name nobody. Outside
   * of any context a new one each time.
   */
  personlessId(): string {
    const scope = acting.getStore();
    return scope === undefined ? randomUUID() : personlessIdOf(scope);
  }

  private plainJson(properties: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const plain: Record<string, unknown> = {};
    let left = MAX_EXPORTED_BYTES;
    for (const name of Object.keys(properties)) {
      const json = toJson({ value: properties[name] }, left);
      if (json === 'too_large') {
        this.warn(`property ${quoteName(name)} of the context was left out of its export: it is too large`);
        continue;
      }
      left -= json.bytes;
      const { value } = JSON.parse(json.text) as { value?: unknown };
      if (value !== undefined) setOwn(plain, name, value);
    }
    return plain;
  }
}

function saysNothing({ distinctId, sessionId, groups, properties, optedOut }: ActingContext): boolean {
  return (distinctId ?? sessionId ?? groups ?? properties ?? optedOut) === undefined;
}

function copyOf({ distinctId, sessionId, groups, properties, optedOut }: ActingContext): CaptureContext {
  return {
    ...(distinctId !== undefined && { distinctId }),
    ...(sessionId !== undefined && { sessionId }),
    ...(groups !== undefined && { groups: { ...groups } }),
    ...(properties !== undefined && { properties: { ...properties } }),
    ...(optedOut !== undefined && { optedOut }),
  };
}
