import { toJson } from '../json/safe-json.js';
import { type Warn } from '../shared/unknown-fields.js';
import { quoteName, setOwn } from '../shared/untrusted-values.js';
import { type CallInterpreter } from './call-interpreter.js';
import {
  type CaptureContext,
  checkContext,
  type CheckedContext,
  copyContext,
  isEmptyContext,
  mergeContexts,
  NO_CONTEXT,
  type SerializedContext,
} from './capture-context.js';
import { changeScope, contextOf, currentScope, lowestLayer, openScope, personlessIdOf } from './context-scope.js';
import { addEventStep, addStep, type ExceptionStep, stepsOf } from './exception-steps.js';

/** The largest event that can be captured: a larger property could not be sent anyway. */
const MAX_EXPORTED_BYTES = 900 * 1024;

/**
 * The context that follows a function through everything it starts. There is one AsyncLocalStorage per process, so all instances
 * of this class see the same contexts. Invalid parts of a context are ignored and reported, never thrown.
 */
export class ContextStorage {
  readonly #warn: Warn;
  readonly #interpreter: CallInterpreter | undefined;

  /**
   * @param warn called with the parts that were ignored, without any values. Must not throw. Default: no warnings
   * @param interpreter derives the context of a call from its request. Default: requests are not read
   */
  constructor(warn: Warn = () => undefined, interpreter?: CallInterpreter) {
    this.#warn = warn;
    this.#interpreter = interpreter;
  }

  /** The context of an event captured now. Shared, so never change it. Empty outside of any context. */
  current(): CheckedContext {
    const scope = currentScope.getStore();
    if (scope === undefined) return NO_CONTEXT;
    const set = contextOf(scope);
    const { source } = scope;
    if (source === undefined || this.#interpreter === undefined) return set;
    const ofCall = this.#interpreter.contextOf(source);
    return isEmptyContext(set) ? ofCall : mergeContexts(ofCall, set);
  }

  /** A copy of the current context including inherited fields; `{}` outside of any context. */
  get(): CaptureContext {
    return copyContext(this.current());
  }

  /**
   * Adds to the current context, and to everything that it starts: single values replace, groups and properties merge.
   *
   * @returns false outside of any context, where there is nothing to add to
   */
  set(partial: CaptureContext): boolean {
    const scope = currentScope.getStore();
    if (scope === undefined) return false;
    changeScope(scope, checkContext(partial, this.#warn));
    return true;
  }

  /**
   * Runs a function, and everything that it starts, in a context that adds to the current one: single values replace, groups
   * and properties merge. Accepts the result of `export()`, also after a round trip through JSON.
   *
   * @returns the result of the function; errors pass through
   */
  run<T>(context: CaptureContext | null | undefined, fn: () => T): T {
    const added = checkContext(context, this.#warn);
    return currentScope.run(openScope(currentScope.getStore(), added), fn);
  }

  /**
   * The current context as plain JSON, without the properties of the current request. Values that JSON cannot represent are replaced as
   * in an event; a property too large for any event is omitted and reported.
   */
  export(): SerializedContext {
    const scope = currentScope.getStore();
    if (scope === undefined) return {};
    const set = contextOf(scope);
    const person = scope.source === undefined ? undefined : this.#interpreter?.personOf(scope.source);
    const whole = person === undefined ? set : mergeContexts(person, set);
    const exported = copyContext(whole) as SerializedContext;
    if (whole.unidentified === true) exported.unidentified = true;
    const { properties } = exported;
    if (properties !== undefined) exported.properties = this.#plainJson(properties);
    const { flags } = lowestLayer(scope);
    const read = flags === undefined ? set.flags : flags.export(set.flags);
    if (read !== undefined) exported.flags = { ...read };
    return exported;
  }

  /**
   * The distinct id of events without a person: one random uuid per context, shared by nested contexts that set no distinct id. Outside
   * of any context a new one each time.
   */
  personlessId(): string {
    return personlessIdOf(currentScope.getStore());
  }

  /**
   * Adds a step to the current context. The steps of different instances are kept apart.
   *
   * @param json of an ExceptionStep
   * @returns false outside of any context
   */
  addStep(json: string, bytes: number): boolean {
    const scope = currentScope.getStore();
    if (scope !== undefined) addStep(scope, this, json, bytes);
    return scope !== undefined;
  }

  /** Adds a captured event to the steps of the current context. */
  addEventStep(event: string, capturedAt: number): void {
    const scope = currentScope.getStore();
    if (scope !== undefined) addEventStep(scope, this, event, capturedAt);
  }

  /** The steps for an error that is captured now. */
  steps(): ExceptionStep[] {
    const scope = currentScope.getStore();
    return scope === undefined ? [] : stepsOf(scope, this);
  }

  #plainJson(properties: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const plain: Record<string, unknown> = {};
    let left = MAX_EXPORTED_BYTES;
    for (const name of Object.keys(properties)) {
      const json = toJson({ value: properties[name] }, left);
      if (json === 'too_large') {
        this.#warn(`property ${quoteName(name)} of the context was left out of its export: it is too large`);
        continue;
      }
      left -= json.bytes;
      const { value } = JSON.parse(json.text) as { value?: unknown };
      if (value !== undefined) setOwn(plain, name, value);
    }
    return plain;
  }
}
