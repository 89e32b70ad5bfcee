import { describe, expect, it } from '@jest/globals';
import { cookieNamesOf, readBrowserState } from '../../../lib/context/posthog-cookie.js';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NAMES = cookieNamesOf('phc_key');
const NAME = 'ph_phc_key_posthog';
const SESSION = [NOW - MINUTE, 's-1', NOW - HOUR];
const STATE = { distinct_id: 'ann', $user_state: 'identified', $sesid: SESSION };

const encoded = (state: unknown): string => encodeURIComponent(JSON.stringify(state));
const read = (cookie: unknown) => readBrowserState({ headers: { cookie } }, NAMES, NOW);
const readState = (state: unknown) => read(`${NAME}=${encoded(state)}`);

describe('the cookie of posthog-js', () => {
  it('has the name of the key', () => {
    expect(cookieNamesOf('phc_a+b/c=d+e').state).toBe('ph_phc_aPLbSLcEQdPLe_posthog');
    expect(cookieNamesOf('phc_key')).toEqual({ state: NAME, consent: ['__ph_opt_in_out_phc_key'] });
  });

  it.each<[string, unknown]>([
    ['alone', `${NAME}=${encoded(STATE)}`],
    ['among others', `a=b; ${NAME}=${encoded(STATE)}; c=d`],
    ['without blanks', `a=b;${NAME}=${encoded(STATE)};c=d`],
    ['in quotes', `${NAME}="${encoded(STATE)}"`],
    ['not encoded', `${NAME}=${JSON.stringify(STATE)}`],
    ['the first of two', `${NAME}=${encoded(STATE)}; ${NAME}=${encoded({ ...STATE, distinct_id: 'bob' })}`],
    ['in one of several headers', ['a=b', `${NAME}=${encoded(STATE)}`]],
    [
      'after a cookie whose name ends like it',
      `x${NAME}=${encoded({ distinct_id: 'bob' })}; ${NAME}=${encoded(STATE)}`,
    ],
  ])('is found %s', (_, cookie) => {
    expect(read(cookie)).toEqual({ distinctId: 'ann', sessionId: 's-1' });
  });

  it.each<[string, unknown]>([
    ['no header', undefined],
    ['another key', `ph_phc_other_posthog=${encoded(STATE)}`],
    ['another case', `${NAME.toUpperCase()}=${encoded(STATE)}`],
    ['only a name', NAME],
    ['no value', `${NAME}=`],
    ['a broken encoding', `${NAME}=%E0%A4%A`],
    ['broken JSON', `${NAME}=${encodeURIComponent('{"distinct_id":')}`],
    ['JSON that is no object', `${NAME}=${encoded('ann')}`],
    ['null', `${NAME}=null`],
    ['a header that is too long', `${NAME}=${encoded(STATE)}; a=${'x'.repeat(70_000)}`],
    ['a number', 5],
  ])('is ignored: %s', (_, cookie) => {
    expect(read(cookie)).toBeUndefined();
  });

  it.each<[string, object, string | undefined]>([
    ['an identified user', STATE, 'ann'],
    ['an anonymous user', { ...STATE, $user_state: 'anonymous' }, undefined],
    ['a user of an unknown state', { ...STATE, $user_state: undefined }, undefined],
    ['a state that is no string', { ...STATE, $user_state: ['identified'] }, undefined],
    ['an id that is no string', { ...STATE, distinct_id: { id: 1 } }, undefined],
    ['no id', { ...STATE, distinct_id: undefined }, undefined],
  ])('has the person of %s', (_, state, distinctId) => {
    expect(readState(state)).toEqual({ distinctId, sessionId: 's-1' });
  });

  it.each<[string, unknown, string | undefined]>([
    ['29 minutes after the last activity', [NOW - 29 * MINUTE, 's', NOW - HOUR], 's'],
    ['30 minutes after it', [NOW - 30 * MINUTE, 's', NOW - HOUR], 's'],
    ['more than 30 minutes after it', [NOW - 30 * MINUTE - 1, 's', NOW - HOUR], undefined],
    ['24 hours after the start', [NOW, 's', NOW - 24 * HOUR], 's'],
    ['more than 24 hours after it', [NOW, 's', NOW - 24 * HOUR - 1], undefined],
    ['with a clock that is five minutes fast', [NOW + 5 * MINUTE, 's', NOW + 5 * MINUTE], 's'],
    ['from the future', [NOW + HOUR, 's', NOW], undefined],
    ['without a start', [NOW, 's'], undefined],
    ['with times that are strings', [String(NOW), 's', String(NOW)], undefined],
    ['without an id', [NOW, null, NOW], undefined],
    ['that was reset', [0, null, 0], undefined],
    ['that is an object', { 0: NOW, 1: 's', 2: NOW }, undefined],
    ['that is missing', undefined, undefined],
  ])('has the session %s', (_, session, sessionId) => {
    expect(readState({ ...STATE, $sesid: session })).toEqual({ distinctId: 'ann', sessionId });
  });

  it.each<[string, boolean]>([
    ['false', false],
    ['0', false],
    ['no', false],
    ['No', false],
    ['"0"', false],
    ['%22no%22', false],
    ['true', true],
    ['1', true],
    ['yes', true],
    ['', true],
  ])('with the consent %j is read: %s', (consent, isRead) => {
    const cookie = `__ph_opt_in_out_phc_key=${consent}; ${NAME}=${encoded(STATE)}`;
    expect(read(cookie) !== undefined).toBe(isRead);
    expect(read(`${NAME}=${encoded(STATE)}; __ph_opt_in_out_phc_key=${consent}`) !== undefined).toBe(isRead);
  });

  it('has a consent of its own for a key with an equals sign', () => {
    const names = cookieNamesOf('phc_a=');
    const cookie = `${names.state}=${encoded(STATE)}; __ph_opt_in_out_phc_a==0`;
    expect(readBrowserState({ headers: { cookie } }, names, Date.now())).toBeUndefined();
  });

  it('does not depend on the consent for another project', () => {
    expect(read(`__ph_opt_in_out_phc_other=0; ${NAME}=${encoded(STATE)}`)).toBeDefined();
  });
});
