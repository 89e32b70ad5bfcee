import { types } from 'node:util';
import { defer, finalize, isObservable, type Observable, tap } from 'rxjs';

/** Notified of the end of a call, possibly several times: only the first counts. */
export interface CallObserver {
  succeeded(result: unknown): void;
  failed(error: unknown): void;
  /** The caller unsubscribed before the end. */
  abandoned(): void;
}

const observedThenables = new WeakSet<object>();

type Then = (
  onFulfilled?: ((value: unknown) => unknown) | null,
  onRejected?: ((error: unknown) => unknown) | null,
) => unknown;

/**
 * Observes the result of a method without changing it for the caller: value, promise, lazy thenable or Observable. Streams, iterators
 * and Subjects count as values: returning them is a success.
 */
export function observeResult(result: unknown, observer: CallObserver): unknown {
  if (typeof result !== 'object' || result === null) {
    observer.succeeded(result);
    return result;
  }
  // A promise with its own `then` may start its work there, like a thenable.
  if (types.isPromise(result) && Reflect.get(result, 'then') === Promise.prototype.then)
    return observePromise(result, observer);
  if (isPlainObservable(result)) return observeStream(result, observer, 'end');
  if (isThenable(result) && observeThenable(result, observer)) return result;
  observer.succeeded(result);
  return result;
}

/**
 * Returns an Observable that behaves like the given one and notifies the observer of its end.
 *
 * @param onUnsubscribe meaning of unsubscribing after the first value: the caller had all it needed (`end`), or it went away
 * (`abandon`)
 */
export function observeStream<T>(
  stream: Observable<T>,
  observer: CallObserver,
  onUnsubscribe: 'end' | 'abandon',
): Observable<T> {
  return defer(() => {
    let last: T | undefined;
    let hasValue = false;
    return stream.pipe(
      tap({
        next: (value) => {
          last = value;
          hasValue = true;
        },
        error: (error: unknown) => observer.failed(error),
        complete: () => observer.succeeded(last),
      }),
      finalize(() => (hasValue && onUnsubscribe === 'end' ? observer.succeeded(last) : observer.abandoned())),
    );
  });
}

function observePromise(promise: Promise<unknown>, observer: CallObserver): Promise<unknown> {
  // Names only: once an AsyncLocalStorage is in use, Node 20 keeps symbols of its own on every promise.
  const isPlain =
    Object.getPrototypeOf(promise) === Promise.prototype && Object.getOwnPropertyNames(promise).length === 0;
  const succeeded = (value: unknown): unknown => {
    observer.succeeded(value);
    return value;
  };
  if (!isPlain) {
    // A subclass or a promise with properties, so the caller must get this very object. Its rejection then counts as handled: rethrowing
    // would add an unhandled rejection even if the caller handles its own, and `await` ignores a `then` defined on the promise.
    promise.then(succeeded, (error: unknown) => observer.failed(error));
    return promise;
  }
  // The derived promise, so that a rejection that nobody handles is still reported as unhandled.
  return promise.then(succeeded, (error: unknown) => {
    observer.failed(error);
    throw error;
  });
}

/** Query builders start their work when `then` is called, so it is intercepted and never called here. */
function observeThenable(thenable: { then: Then }, observer: CallObserver): boolean {
  // Returned before: wrapping it once per call would nest without limit.
  if (observedThenables.has(thenable)) return false;
  observedThenables.add(thenable);
  const { then } = thenable;
  const observed = function (this: unknown, ...[onFulfilled, onRejected]: Parameters<Then>): unknown {
    return then.call(
      this,
      (value) => {
        observer.succeeded(value);
        return typeof onFulfilled === 'function' ? onFulfilled(value) : value;
      },
      (error) => {
        observer.failed(error);
        if (typeof onRejected === 'function') return onRejected(error);
        throw error;
      },
    );
  };
  try {
    const { enumerable = false } = Object.getOwnPropertyDescriptor(thenable, 'then') ?? {};
    return Reflect.defineProperty(thenable, 'then', {
      value: observed,
      writable: true,
      configurable: true,
      enumerable,
    });
  } catch {
    return false;
  }
}

function isThenable(value: unknown): value is { then: Then } {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return typeof Reflect.get(value, 'then') === 'function';
  } catch {
    return false;
  }
}

/** An object with more methods than `subscribe` and `pipe` (a Subject, a socket) must reach the caller unchanged. */
function isPlainObservable(value: unknown): value is Observable<unknown> {
  try {
    return isObservable(value) && (Object.getPrototypeOf(value) as object).constructor.name === 'Observable';
  } catch {
    // A proxy that throws counts as a value.
    return false;
  }
}
