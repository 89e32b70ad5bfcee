import 'reflect-metadata';
import { type TrackedEvent } from './track-event.options.js';

export type Method = (...args: unknown[]) => unknown;

/** Everything that our decorators request for a method. */
export interface MethodPlan {
  readonly events: readonly TrackedEvent[];
  /** The context carried by a message or a job is restored. */
  readonly restoresContext: boolean;
}

const PLAN = Symbol.for('nestjs-posthog-capture:plan');
const ORIGINAL = Symbol.for('nestjs-posthog-capture:original');
const NO_PLAN: MethodPlan = Object.freeze({ events: [], restoresContext: false });

/** Cache. The plan of a method never changes, because each decorator creates another method. */
const known = new WeakMap<object, MethodPlan>();

/** Also finds the plan where another decorator has wrapped ours and kept its metadata, as Nest itself does. */
export function planOf(method: unknown): MethodPlan {
  if (typeof method !== 'function') return NO_PLAN;
  const plan = known.get(method);
  if (plan !== undefined) return plan;
  const found = Reflect.getMetadata(PLAN, method) as MethodPlan | undefined;
  if (found !== undefined) known.set(method, found);
  return found ?? NO_PLAN;
}

/**
 * Wraps a method, or extends the plan of an earlier decorator of ours. Name, length, metadata and own properties of the method are
 * preserved.
 *
 * @param invoke calls the original method
 */
export function wrapMethod(
  descriptor: PropertyDescriptor,
  more: Partial<MethodPlan>,
  invoke: (self: unknown, args: unknown[], original: Method, plan: MethodPlan) => unknown,
): Method {
  const decorated = descriptor.value as Method;
  const found = Reflect.get(decorated, ORIGINAL) as
    { readonly method: Method; readonly plan: MethodPlan; readonly wrapper: Method } | undefined;
  // A Proxy, or a function with ours as prototype, shows properties that are not its own.
  const wrapped = found?.wrapper === decorated ? found : undefined;
  const original = wrapped?.method ?? decorated;
  const plan = mergePlans(wrapped?.plan ?? NO_PLAN, more);

  const wrapper = methodLike(decorated, (self, args) => invoke(self, args, original, plan));
  Reflect.defineProperty(wrapper, ORIGINAL, { value: { method: original, plan, wrapper }, configurable: true });
  Reflect.defineMetadata(PLAN, mergePlans(planOf(decorated), more), wrapper);
  return wrapper;
}

/** A method with the name, length, metadata and own properties of another. `this` is the caller's, and `new` throws. */
export function methodLike(method: Method, invoke: (self: unknown, args: unknown[]) => unknown): Method {
  const holder = {
    wrapper(this: unknown, ...args: unknown[]): unknown {
      return invoke(this, args);
    },
  };
  const wrapper = Reflect.get<typeof holder, 'wrapper'>(holder, 'wrapper');
  for (const key of Reflect.ownKeys(method)) {
    const property = Reflect.getOwnPropertyDescriptor(method, key);
    if (property) Reflect.defineProperty(wrapper, key, property);
  }
  for (const key of Reflect.getOwnMetadataKeys(method) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), wrapper);
  }
  return wrapper;
}

/** Decorators higher in the source come first. */
function mergePlans(plan: MethodPlan, more: Partial<MethodPlan>): MethodPlan {
  return {
    events: [...(more.events ?? []), ...plan.events],
    restoresContext: plan.restoresContext || more.restoresContext === true,
  };
}
