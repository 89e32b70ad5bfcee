import {
  concat,
  EMPTY,
  firstValueFrom,
  from,
  lastValueFrom,
  NEVER,
  Observable,
  of,
  Subject,
  take,
  throwError,
  toArray,
} from 'rxjs';
import { observeResult } from '../../../lib/tracking/call/observe-result.js';
import { type Outcome } from '../../../lib/context/track-context.js';
import { checkTrackEvent } from '../../../lib/tracking/call/track-event.options.js';
import { TrackedCall } from '../../../lib/tracking/call/tracked-call.js';

type End = [Outcome, unknown];

/** Observes a result like that of a provider's method. */
function observe(result: unknown): { given: unknown; ends: End[] } {
  const ends: End[] = [];
  const call = new TrackedCall({
    events: [checkTrackEvent('done', {}, 'test')],
    source: { transport: 'provider' },
    scope: undefined,
    capture: (_event, { outcome, error, result: value }) =>
      void ends.push([outcome, outcome === 'error' ? error : value]),
  });
  call.reached([]);
  return { given: observeResult(result, call), ends };
}

/** The result or the error, as a consumer sees it. */
const outcomeOf = async (promise: unknown): Promise<unknown> => {
  try {
    return await promise;
  } catch (error) {
    return { caught: error };
  }
};

const failure = new Error('no');
const thrower = (): never => {
  throw new Error('hostile');
};

class Cancellable<T> extends Promise<T> {
  cancel(): string {
    return 'cancelled';
  }
}

/** Starts its work when `then` is called, like `p-lazy` and some database clients. */
class LazyPromise<T> extends Promise<T> {
  static started = 0;

  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    LazyPromise.started += 1;
    return super.then(onFulfilled, onRejected);
  }
}

/** Like a query builder: each `then` is one query. */
class Query {
  runs = 0;

  constructor(private readonly answer: () => unknown) {}

  where(): this {
    return this;
  }

  then(onFulfilled?: ((value: unknown) => unknown) | null, onRejected?: ((error: unknown) => unknown) | null): unknown {
    this.runs += 1;
    return Promise.resolve().then(this.answer).then(onFulfilled, onRejected);
  }
}

describe('a value', () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const hostile = new Proxy(
    {},
    {
      get: thrower,
      has: thrower,
      getPrototypeOf: thrower,
      getOwnPropertyDescriptor: thrower,
      defineProperty: thrower,
      ownKeys: thrower,
    },
  );
  const undefinable = new Proxy(new Query(() => 1), { defineProperty: thrower });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a number', 7],
    ['a string', ''],
    ['false', false],
    ['an object', { a: 1 }],
    ['a frozen object', Object.freeze({})],
    ['an object without prototype', Object.create(null)],
    ['a function', thrower],
    ['a function with then', Object.assign(() => 1, { then: 1 })],
    ['an object whose then is not a function', { then: 'later' }],
    ['an object whose then throws', Object.defineProperty({}, 'then', { get: thrower })],
    ['an array', [Promise.resolve(1)]],
    ['a Subject', new Subject()],
    [
      'something like an Observable, without prototype',
      Object.assign(Object.create(null), { lift: () => 1, subscribe: () => 1 }),
    ],
    ['a frozen thenable', Object.freeze(new Query(() => 1))],
    ['a thenable whose then is not writable', Object.defineProperty({}, 'then', { value: () => undefined })],
    ['a proxy that throws', hostile],
    ['a revoked proxy', revoked.proxy],
    ['a thenable proxy that rejects new properties', undefinable],
  ])('is a success immediately, and is returned unchanged: %s', (_name, value) => {
    const { given, ends } = observe(value);
    // Not `toBe`, which would print a proxy that throws.
    expect(Object.is(given, value)).toBe(true);
    expect(ends.map(([outcome]) => outcome)).toEqual(['success']);
    expect(Object.is(ends[0]![1], value)).toBe(true);
  });

  it('may be an iterator, which is not started', async () => {
    let started = 0;
    async function* numbers() {
      started += 1;
      yield await Promise.resolve(1);
    }
    const iterator = numbers();
    const { given, ends } = observe(iterator);
    expect(given).toBe(iterator);
    expect([started, ends.length]).toEqual([0, 1]);
    const seen: number[] = [];
    for await (const n of given as typeof iterator) seen.push(n);
    expect([seen, started, ends.length]).toEqual([[1], 1, 1]);
  });
});

describe('a promise', () => {
  it.each<[string, () => Promise<unknown>, unknown, End]>([
    ['resolved', () => Promise.resolve(7), 7, ['success', 7]],
    ['resolved to nothing', () => Promise.resolve(), undefined, ['success', undefined]],
    ['rejected', () => Promise.reject(failure), { caught: failure }, ['error', failure]],

    ['of a subclass', () => Cancellable.resolve(7), 7, ['success', 7]],
    ['of a subclass, rejected', () => Cancellable.reject(failure), { caught: failure }, ['error', failure]],
    ['with a method', () => Object.assign(Promise.resolve(7), { cancel: thrower }), 7, ['success', 7]],
    ['frozen', () => Object.freeze(Promise.resolve(7)), 7, ['success', 7]],
    ['of an async function', async () => (await Promise.resolve(), 7), 7, ['success', 7]],
  ])('ends the call when it settles: %s', async (_name, make, expected, end) => {
    const { given, ends } = observe(make());
    expect(given).toBeInstanceOf(Promise);
    expect(ends).toEqual([]);
    expect(await outcomeOf(given)).toEqual(expected);
    expect(ends).toEqual([end]);
    expect(await outcomeOf(given)).toEqual(expected);
    expect(ends).toHaveLength(1);
  });

  it('that never settles never ends', async () => {
    const { ends } = observe(new Promise(() => undefined));
    await new Promise(setImmediate);
    expect(ends).toEqual([]);
  });

  it('with additional methods is returned itself', async () => {
    for (const promise of [Cancellable.resolve(7), Object.assign(Promise.resolve(7), { cancel: () => 'cancelled' })]) {
      const { given } = observe(promise);
      expect(given).toBe(promise);
      expect((given as Cancellable<number>).cancel()).toBe('cancelled');
      expect(await promise).toBe(7);
    }
  });

  it('that starts lazily is not started by us', async () => {
    LazyPromise.started = 0;
    const { given, ends } = observe(
      new LazyPromise((resolve) => {
        resolve(7);
      }),
    );
    await new Promise(setImmediate);
    expect([LazyPromise.started, ends]).toEqual([0, []]);
    expect(await outcomeOf(given)).toBe(7);
    expect(LazyPromise.started).toBe(1);
    expect(ends).toEqual([['success', 7]]);
  });
});

describe('a lazy thenable', () => {
  it.each<[string, () => unknown, unknown, End]>([
    ['that resolves', () => 7, 7, ['success', 7]],
    [
      'that rejects',
      () => {
        throw failure;
      },
      { caught: failure },
      ['error', failure],
    ],
  ])('%s: not started by us, and counted once when awaited', async (_name, answer, expected, end) => {
    const query = new Query(answer);
    const { given, ends } = observe(query);
    await new Promise(setImmediate);
    expect(given).toBe(query);
    expect([query.runs, ends]).toEqual([0, []]);
    expect(await outcomeOf(query.where())).toEqual(expected);
    expect([query.runs, ends]).toEqual([1, [end]]);
    expect(await outcomeOf(query)).toEqual(expected);
    expect([query.runs, ends]).toEqual([2, [end]]);
  });

  it('that nobody awaits is never started nor counted', async () => {
    const query = new Query(() => 7);
    const { ends } = observe(query);
    await new Promise(setImmediate);
    expect([query.runs, ends]).toEqual([0, []]);
  });

  it('that is returned twice counts once for each call', async () => {
    const query = new Query(() => 7);
    const [one, two] = [observe(query), observe(query)];
    await outcomeOf(query);
    expect(query.runs).toBe(1);
    expect(one.ends).toEqual([['success', 7]]);
    expect(two.ends.map(([outcome]) => outcome)).toEqual(['success']);
  });

  it('calls its handlers as before', async () => {
    const query = new Query(() => 7);
    const rejecting = new Query(thrower);
    observe(query);
    observe(rejecting);
    expect(await (query.then((value) => Number(value) + 1) as Promise<number>)).toBe(8);
    expect(await (query.then() as Promise<number>)).toBe(7);
    expect(await (query.then(null, null) as Promise<number>)).toBe(7);
    expect(await (query.then('ignored' as never, 5 as never) as Promise<number>)).toBe(7);
    expect(await (rejecting.then(undefined, (error) => (error as Error).message) as Promise<string>)).toBe('hostile');
    expect(await outcomeOf(rejecting.then())).toEqual({ caught: new Error('hostile') });
    expect(await outcomeOf(query.then(() => thrower()))).toEqual({ caught: new Error('hostile') });
  });

  it('looks unchanged', () => {
    const own = { table: 'users', then: () => undefined };
    const query = new Query(() => 7);
    for (const [one, keys] of [
      [own, ['table', 'then']],
      [query, ['answer', 'runs']],
    ] as const) {
      expect(observe(one).given).toBe(one);
      expect(Object.keys(one).sort()).toEqual([...keys]);
    }
  });

  it('also works through an object that inherits from it', async () => {
    const query = new Query(() => 7);
    observe(query);
    const derived = Object.create(query) as Query;
    expect(await outcomeOf(derived)).toBe(7);
    expect([Object.hasOwn(derived, 'runs'), query.runs]).toEqual([true, 0]);
  });
});

describe('an Observable', () => {
  it.each<[string, Observable<unknown>, unknown, End]>([
    ['of none', EMPTY, [], ['success', undefined]],
    ['of one', of(7), [7], ['success', 7]],
    ['of many', from([1, 2, 3]), [1, 2, 3], ['success', 3]],
    ['of undefined', of(1, undefined), [1, undefined], ['success', undefined]],
    ['that errors', throwError(() => failure), { caught: failure }, ['error', failure]],
    [
      'that errors late',
      concat(
        of(1),
        throwError(() => failure),
      ),
      { caught: failure },
      ['error', failure],
    ],
  ])('ends the call when it settles: %s', async (_name, observable, expected, end) => {
    const { given, ends } = observe(observable);
    expect(given).toBeInstanceOf(Observable);
    expect(ends).toEqual([]);
    const stream = given as Observable<unknown>;
    expect(await outcomeOf(lastValueFrom(stream.pipe(toArray())))).toEqual(expected);
    expect(ends).toEqual([end]);
    expect(await outcomeOf(lastValueFrom(stream.pipe(toArray())))).toEqual(expected);
    expect(ends).toHaveLength(1);
  });

  it('that nobody subscribes to is not started, and does not count', async () => {
    let subscriptions = 0;
    const { ends } = observe(new Observable(() => void (subscriptions += 1)));
    await new Promise(setImmediate);
    expect([subscriptions, ends]).toEqual([0, []]);
  });

  it.each<[string, Observable<unknown>, End[]]>([
    ['before its first value: aborted', NEVER, [['aborted', undefined]]],
    ['after one: success', concat(of(1), NEVER), [['success', 1]]],
  ])('unsubscribed early, %s', (_name, observable, expected) => {
    const { given, ends } = observe(observable);
    const subscription = (given as Observable<unknown>).subscribe();
    expect(ends).toEqual([]);
    subscription.unsubscribe();
    expect(ends).toEqual(expected);
  });

  it('infinite and synchronous, ends when unsubscribed', async () => {
    let made = 0;
    const endless = new Observable<number>((subscriber) => {
      while (!subscriber.closed) subscriber.next((made += 1));
    });
    const { given, ends } = observe(endless);
    expect(await firstValueFrom((given as Observable<number>).pipe(take(1)))).toBe(1);
    expect([made, ends]).toEqual([1, [['success', 1]]]);
  });

  it('is unsubscribed from when its consumer unsubscribes', () => {
    let isLeft = false;
    const { given } = observe(new Observable(() => () => void (isLeft = true)));
    (given as Observable<unknown>).subscribe().unsubscribe();
    expect(isLeft).toBe(true);
  });

  it('counts once for two subscribers, each of whom gets all values', async () => {
    let subscriptions = 0;
    const { given, ends } = observe(
      new Observable<number>((subscriber) => {
        subscriptions += 1;
        subscriber.next(subscriptions);
        setImmediate(() => subscriber.complete());
      }),
    );
    const stream = given as Observable<number>;
    expect(await Promise.all([lastValueFrom(stream), lastValueFrom(stream)])).toEqual([1, 2]);
    expect(ends).toEqual([['success', 1]]);
  });

  it('that is a Subject keeps accepting values', () => {
    const subject = new Subject<number>();
    const { given, ends } = observe(subject);
    const seen: number[] = [];
    (given as Subject<number>).subscribe((value) => seen.push(value));
    (given as Subject<number>).next(7);
    expect([seen, ends]).toEqual([[7], [['success', subject]]]);
  });
});
