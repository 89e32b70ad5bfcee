import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { dedupeProjectOf, dedupeUuid } from '../../../lib/capture/limits/dedupe-uuid.js';
import { type Admission, EventLimits } from '../../../lib/capture/limits/event-limits.js';
import { LimitRules } from '../../../lib/capture/limits/limit-rules.js';
import { isInSample } from '../../../lib/capture/limits/person-sample.js';
import { RecentMap } from '../../../lib/shared/recent-map.js';
import { type EventLimit } from '../../../lib/events/event-limit.js';

let now = 1000;
const stopTime = (): void => void jest.spyOn(performance, 'now').mockImplementation(() => now);
afterEach(() => void jest.restoreAllMocks());

describe('patterns', () => {
  const found = (event: string, ...patterns: string[]): unknown =>
    new LimitRules(Object.fromEntries(patterns.map((pattern) => [pattern, { once: 'person', pattern }]))).find(event);

  it.each([
    ['job_done', ['*', 'job_*', 'job_done'], 'job_done'],
    ['job_done', ['*', 'job_*'], 'job_*'],
    ['job_done', ['job_*', '*_done_'], 'job_*'],
    ['job_done', ['*_done', 'job_*'], '*_done'],
    ['job_done', ['*_*', 'j*b_*e'], 'j*b_*e'],
    ['job_done', ['a_*', 'b_*'], undefined],
    ['aba', ['ab*ba'], undefined],
    ['abba', ['ab*ba'], 'ab*ba'],
    ['a.b', ['a?b', 'a.*'], 'a.*'],
    ['job', ['job*'], 'job*'],
    ['x-a-b-c', ['*a*b*c'], '*a*b*c'],
    ['x-b-a-c', ['*a*b*c'], undefined],
    ['of two that are as specific', ['of*', '*ic'], 'of*'],
  ])('%j in %j', (event, patterns, expected) => {
    expect(found(event, ...patterns)).toEqual(
      expected === undefined ? undefined : expect.objectContaining({ pattern: expected }),
    );
  });

  it.each([
    '$exception',
    '$identify',
    '$create_alias',
    '$merge_dangerously',
    '$groupidentify',
    '$set',
    '$unset',
    '$feature_flag_called',
    '$feature_view',
  ])('never match %s, which is limited by its full name only', (event) => {
    expect(found(event, '*', '$*', `${event}*`, `*${event}`)).toBeUndefined();
    expect(found(event, '*', event)).toMatchObject({ pattern: event });
  });

  it('match other events of PostHog', () => {
    expect(found('$ai_generation', '$ai_*')).toBeDefined();
    expect(found('$set_up', '*')).toBeDefined();
  });

  it('take no longer for a pattern with many asterisks', () => {
    const pattern = `${'*a'.repeat(60)}b`;
    const started = process.hrtime.bigint();
    for (let index = 0; index < 1000; index += 1) expect(found('a'.repeat(180), pattern)).toBeUndefined();
    expect(Number(process.hrtime.bigint() - started) / 1e9).toBeLessThan(10);
  });
});

describe('the sample', () => {
  const persons = Array.from({ length: 100_000 }, (_, index) => `user_${index}`);
  const kept = (rate: number): string[] => persons.filter((person) => isInSample(person, rate));

  it.each([0.001, 0.01, 0.05, 0.125, 0.5, 0.9])('keeps %d of the persons', (rate) => {
    // Four standard deviations.
    const tolerance = 4 * Math.sqrt((rate * (1 - rate)) / persons.length);
    expect(Math.abs(kept(rate).length / persons.length - rate)).toBeLessThan(tolerance);
  });

  it('keeps all for 1 and none for 0', () => {
    expect([kept(1).length, kept(0).length]).toEqual([persons.length, 0]);
  });

  it('keeps the persons of a lower rate', () => {
    const most = new Set(kept(0.2));
    expect(kept(0.123).every((person) => most.has(person))).toBe(true);
  });

  it("is that of sampleByDistinctId in PostHog's clients, for whole percents", () => {
    const theirs = (text: string): number =>
      Math.abs(text.split(/(?:)/).reduce((hash, character) => ((hash << 5) - hash + character.charCodeAt(0)) | 0, 0)) %
      100;
    for (const rate of [0.1, 0.25, 0.5]) expect(kept(rate)).toEqual(persons.filter((one) => theirs(one) < rate * 100));
  });
});

describe('a limit', () => {
  const admitting = (limits: Record<string, EventLimit>) => {
    const all = new EventLimits({ limits });
    return (event: string, person?: string): Admission | null =>
      all.admit({ event, person, definition: undefined, dedupeKey: undefined, personlessId: () => 'nobody' });
  };
  const reasonOf = (admission: Admission | null): string =>
    admission === null || admission.ok ? 'ok' : admission.reason;

  it('does not concern events without an entry, or with an empty one', () => {
    const admit = admitting({ 'a*': { perMinute: 1 }, ab: {} });
    for (const event of ['ab', 'ab', 'c', 'c']) expect(admit(event)).toBeNull();
  });

  it('perMinute counts by name, in minutes that begin with an event', () => {
    stopTime();
    const admit = admitting({ 'a*': { perMinute: 2 } });
    const reasons = (): string[] => ['aa', 'aa', 'aa', 'ab', 'ab'].map((event) => reasonOf(admit(event)));
    expect(reasons()).toEqual(['ok', 'ok', 'over_limit', 'ok', 'ok']);
    now += 59_999;
    expect(reasons()).toEqual(Array(5).fill('over_limit'));
    now += 1;
    expect(reasons()).toEqual(['ok', 'ok', 'over_limit', 'ok', 'ok']);
  });

  it('perPersonPerHour counts by name and person', () => {
    stopTime();
    const admit = admitting({ a: { perPersonPerHour: 1 }, b: { perPersonPerHour: 1 } });
    const reasons = (): string[] =>
      [admit('a', 'ann'), admit('a', 'ann'), admit('a', 'bob'), admit('b', 'ann'), admit('a'), admit('a')].map(
        reasonOf,
      );
    expect(reasons()).toEqual(['ok', 'over_limit', 'ok', 'ok', 'ok', 'ok']);
    now += 3_600_000;
    expect(reasons()).toEqual(['ok', 'over_limit', 'ok', 'ok', 'ok', 'ok']);
  });

  it('once counts by name and person, and names cannot be confused with persons', () => {
    const admit = admitting({ '*': { once: 'person' } });
    const pairs: [string, string?][] = [['a', 'bc'], ['ab', 'c'], ['a', 'bc'], ['a'], ['a']];
    expect(pairs.map((pair) => reasonOf(admit(...pair)))).toEqual(['ok', 'ok', 'over_limit', 'ok', 'ok']);
  });

  it('counts nothing for an event that another limit drops', () => {
    stopTime();
    const admit = admitting({ a: { perMinute: 2, once: 'person' } });
    expect(['ann', 'ann', 'ann', 'bob', 'cid'].map((person) => reasonOf(admit('a', person)))).toEqual([
      'ok',
      'over_limit',
      'over_limit',
      'ok',
      'over_limit',
    ]);
    now += 60_000;
    expect(reasonOf(admit('a', 'cid'))).toBe('ok');
  });

  it('counts nothing for an event that is taken back', () => {
    stopTime();
    const admit = admitting({ a: { perMinute: 1, perPersonPerHour: 1, once: 'person' } });
    for (let index = 0; index < 3; index += 1) {
      const admission = admit('a', 'ann');
      expect(admission?.ok).toBe(true);
      if (admission?.ok) admission.takeBack();
    }
    expect([reasonOf(admit('a', 'ann')), reasonOf(admit('a', 'ann'))]).toEqual(['ok', 'over_limit']);
  });

  it('of a pattern is shared by the names beyond the first thousand', () => {
    stopTime();
    const admit = admitting({ 'a*': { perMinute: 1 } });
    const ok = (from: number, to: number): number =>
      Array.from({ length: to - from }, (_, index) => reasonOf(admit(`a${from + index}`))).filter((one) => one === 'ok')
        .length;
    expect([ok(0, 1000), ok(1000, 3000)]).toEqual([1000, 1]);
  });
});

describe('RecentMap', () => {
  it('keeps what was used last', () => {
    const map = new RecentMap<true>(100);
    map.set('kept', true);
    for (let index = 0; index < 10_000; index += 1) {
      map.set(String(index), true);
      if (index % 50 === 0) expect(map.get('kept')).toBe(true);
      if (index >= 99) expect(map.get(String(index - 40))).toBe(true);
      if (index >= 300) expect(map.get(String(index - 300))).toBeUndefined();
    }
    map.delete('kept');
    expect(map.get('kept')).toBeUndefined();
  });
});

describe('the uuid of a dedupeKey', () => {
  it('never changes', () => {
    const project = dedupeProjectOf('phc_test');
    expect(dedupeUuid(project, 'order_paid', 'ann', 'evt_1')).toBe('52e61b1b-c9fa-5e3b-97e5-cd826250f435');
    const others = [
      dedupeUuid(dedupeProjectOf('phc_other'), 'order_paid', 'ann', 'evt_1'),
      dedupeUuid(project, 'order', 'ann', 'evt_1'),
      dedupeUuid(project, 'order_paid', 'bob', 'evt_1'),
      dedupeUuid(project, 'order_paid', 'ann', 'evt_2'),
    ];
    expect(new Set(others).size).toBe(4);
    for (const uuid of others) expect(uuid).toMatch(/^[\da-f]{8}-[\da-f]{4}-5[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  });
});
