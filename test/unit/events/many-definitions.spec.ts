import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { EventLimits } from '../../../lib/capture/limits/event-limits.js';
import { defineEvent } from '../../../lib/events/define-event.js';
import { definedEventOf } from '../../../lib/events/defined-event.js';
import { EventCatalog } from '../../../lib/events/event-catalog.js';
import { personalOf } from '../../../lib/shared/personal-properties.js';

const NAMES = 100_000;
const schema = z.object({ email: z.string().optional() });

describe('100,000 definitions with different names', () => {
  const catalog = new EventCatalog({ pii: 'keep' });
  const limits = new EventLimits();
  const warnings: string[] = [];
  const admit = (event: string, definition: ReturnType<typeof definedEventOf>) =>
    limits.admit({ event, definition, dedupeKey: undefined, person: 'ann', personlessId: () => '' });
  const capture = (name: string): void => {
    const defined = definedEventOf(
      defineEvent(name, schema, { pii: ['email'], deprecated: 'use other', limit: { perMinute: 1 } }),
    );
    catalog.conform(name, {}, defined, () => warnings.push(name));
    admit(name, defined);
  };
  const isLimited = (name: string): boolean => admit(name, undefined) !== null;

  it('are forgotten, but for the last ones and those that are in use', () => {
    for (let index = 0; index < NAMES; index += 1) {
      capture(`event_${index}`);
      if (index % 500 === 0) capture('in_use');
    }
    expect(personalOf('in_use')).toEqual(new Set(['email']));
    expect(isLimited('in_use')).toBe(true);
    // To ask for a name is to use it, so fewer may be counted than are remembered.
    const remembered = (of: (name: string) => boolean): number =>
      Array.from({ length: NAMES }, (_, index) => `event_${index}`).filter(of).length;
    const personal = remembered((name) => personalOf(name) !== undefined);
    expect(personal).toBeGreaterThanOrEqual(5000);
    expect(personal).toBeLessThanOrEqual(20_000);
    const limited = remembered(isLimited);
    expect(limited).toBeGreaterThanOrEqual(500);
    expect(limited).toBeLessThanOrEqual(2000);
    expect(catalog.seen).toHaveLength(1000);
    expect(warnings).toHaveLength(NAMES + 1);
    capture('event_0');
    capture(`event_${NAMES - 1}`);
    expect(warnings).toHaveLength(NAMES + 2);
    expect(personalOf('event_0')).toEqual(new Set(['email']));
  });

  it('a name that is defined for each event warns once, and keeps its count', () => {
    warnings.length = 0;
    for (let index = 0; index < 3; index += 1) capture('again');
    expect(warnings).toEqual(['again']);
    expect(admit('again', undefined)).toMatchObject({ ok: false, reason: 'over_limit' });
  });
});
