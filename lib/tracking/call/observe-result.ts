import { types } from 'node:util';
import { defer, finalize, isObservable, type Observable, tap } from 'rxjs';

/** Hears once how a call ended; further calls of any of these must do nothing. */
export interface CallObserver {
  succeeded(result: unknown): void;
  failed(error: unknown): void;
  /** Nobody waited for the end. */
  abandoned(): void;
}

const observedThenables = new WeakSet<object>();

type Then = (
  onFulfilled?: ((value: unknown) => unknown) | null,
  onRejected?: ((error: unknown) => unknown) | null,
) => unknown;

/**
 * Watches what a method returned, without changing what its caller gets from it: value, promise, lazy thenable or Observable.
 * Streams, iterators and Subjects are values: that the method returned them is its success.
 */
export function observeResult(result: unknown, observer: CallObserver): unknown {
  if (typeof result !== 'object' || result === null) {
    observer.succeeded(result);
    return result;
  }
  // A promise with a `then` of its own may begin its work there, as a thenable does.
  if (types.isPromise(result) && Reflect.get(result, 'then') === Promise.prototype.then)
    return observePromise(result, observer);
  if (isPlainObservable(result)) return observeStream(result, observer, 'end');
  if (isThenable(result) && observeThenable(result, observer)) return result;
  observer.succeeded(result);
  return result;
}

/**
 * An Observable that does as the given one, and tells how it ended. It counts once, whoever subscribes how often.
 *
 * @param onUnsubscribe what leaving before the end means once there was a value: the call had what it wanted (`end`), or its caller
 * went away (`abandon`)
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
    // It can do more than a promise can, so its caller must get this very one. Its rejection counts as handled by this: a successor that
    // rejected too would be an unhandled one beside a caller who handles it, and `await` does not ask for a `then` that was put on it.
    promise.then(succeeded, (error: unknown) => observer.failed(error));
    return promise;
  }
  // Its successor, so that a rejection that nobody handles still comes out as one.
  return promise.then(succeeded, (error: unknown) => {
    observer.failed(error);
    throw error;
  });
}

/** Query builders begin their work when somebody asks for `then`: so we are told when that happens, and never ask ourselves. */
function observeThenable(thenable: { then: Then }, observer: CallObserver): boolean {
  // The same one again: wrapping it once per call would never end.
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

/** What has more than `subscribe` and `pipe` (a Subject, a socket) must reach the caller as it is. */
function isPlainObservable(value: unknown): value is Observable<unknown> {
  try {
    return isObservable(value) && (Object.getPrototypeOf(value) as object).constructor.name === 'Observable';
  } catch {
    // A proxy that does not want to be looked at is a value.
    return false;
  }
}
