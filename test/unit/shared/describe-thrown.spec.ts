import { describe, expect, it } from '@jest/globals';
import { describeThrown } from '../../../lib/shared/describe-thrown.js';

type Callback = (input: { order?: { total: number; lines: () => number[] }; key: string }) => unknown;

/** Calls it as the library does, and describes what it throws. */
function thrownBy(callback: Callback): string {
  const input = { key: 'secret' };
  return describeThrown(
    (() => {
      try {
        callback(input);
      } catch (error) {
        return error;
      }
      throw new Error('the callback did not throw');
    })(),
    callback,
  );
}
const here = String.raw`test/unit/shared/describe-thrown\.spec\.ts:\d+`;

describe('describeThrown', () => {
  it.each<[string, Callback]>([
    ["TypeError: Cannot read properties of undefined (reading 'total')", ({ order }) => order!.total],
    ["TypeError: Cannot read properties of undefined (reading 'lines')", ({ order }) => order!.lines()],
    ['TypeError: order.lines is not a function', (order) => (order as { lines?: () => void }).lines!()],
  ])('shows what the engine reports, and where: %s', (message, callback) => {
    const pattern = `^${message.replaceAll(/[()]/g, '\\$&')} at ${here}$`;
    expect(thrownBy(callback)).toMatch(new RegExp(pattern));
  });

  it.each<[string, Callback]>([
    [
      'a message of the application',
      ({ key }) => {
        throw new Error(`no such user: ${key}`);
      },
    ],
    [
      'a TypeError of the application',
      ({ key }) => {
        throw new TypeError(key);
      },
    ],
    [
      'a TypeError that looks like one of the engine',
      ({ key }) => {
        throw new TypeError(`Cannot read properties of undefined (reading '${key}')`);
      },
    ],
    ['a computed name', ({ key }) => (undefined as unknown as Record<string, unknown>)[key]],
    [
      'lines of a message that look like frames',
      ({ key }) => {
        throw new Error(`no user\n    at ${key} (/${key}/user.ts:1:1)\n    at /${key}.ts:1:1`);
      },
    ],
    [
      'a name',
      ({ key }) => {
        throw Object.assign(new Error('no'), { name: key });
      },
    ],
    [
      'a message that was changed',
      ({ key }) => {
        throw Object.assign(new Error(`first ${key}\n    at ${key} (/${key}/user.ts:1:1)`), { message: 'second' });
      },
    ],
    [
      'a string',
      ({ key }) => {
        throw key as unknown as Error;
      },
    ],
  ])('does not show data: %s', (_, callback) => {
    const text = thrownBy(callback);
    expect(text).not.toContain('secret');
    expect(text).toMatch(/^(Error|TypeError|an error|a value that is not an Error)( at |$)/);
  });

  it('shows the class of an error', () => {
    class UserNotFoundException extends Error {
      override readonly name = 'UserNotFoundException';
    }
    const text = thrownBy(() => {
      throw new UserNotFoundException('secret');
    });
    expect(text).toMatch(new RegExp(`^UserNotFoundException at ${here}$`));
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a proxy', new Proxy(new Error('secret'), { get: () => 'secret', getPrototypeOf: () => Error.prototype })],
    ['a stack that throws', Object.defineProperty(new Error('secret'), 'stack', { get: () => boom() })],
    ['a message that throws', Object.defineProperty(new Error('secret'), 'message', { get: () => boom() })],
    ['no stack', Object.assign(new Error('secret'), { stack: undefined })],
    ['a stack that is data', Object.assign(new Error('no'), { stack: { secret: true } })],
    ['a long stack', Object.assign(new Error('no'), { stack: `Error: no\n${'    at x ('.repeat(100_000)}` })],
  ])('bears %s', (_, thrown) => {
    expect(describeThrown(thrown, boom)).toMatch(/^(Error|an error|a value that is not an Error)$/);
  });
});

function boom(): never {
  throw new Error('secret');
}
