/** Checked by the compiler only: each line below a `@ts-expect-error` is a mistake in a call, which must not compile. */
import { expect } from '@jest/globals';
import { type } from 'arktype';
import { IsEmail, IsIn, IsNumber, IsOptional } from 'class-validator';
import * as v from 'valibot';
import { z } from 'zod';
import {
  type CaptureService,
  defineEvent,
  Event,
  Pii,
  PostHogCaptureModule,
  type Props,
  TrackEvent,
} from 'nestjs-posthog-capture';
import { type CaptureRecorder } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';

const OfZod = defineEvent(
  'order_placed',
  z.object({ total: z.number(), currency: z.enum(['EUR', 'USD']), note: z.string().optional() }),
  { description: 'An order was paid', pii: ['note'] },
);
const OfValibot = defineEvent(
  'order_placed',
  v.object({ total: v.number(), currency: v.picklist(['EUR', 'USD']), note: v.optional(v.string()) }),
);
const OfArkType = defineEvent('order_placed', type({ total: 'number', currency: "'EUR'|'USD'", 'note?': 'string' }));

@Event('order_placed', { description: 'An order was paid' })
class OfClass {
  @IsNumber() total!: number;
  @IsIn(['EUR', 'USD']) currency!: 'EUR' | 'USD';
  @IsOptional() @IsEmail() @Pii() email?: string;
  constructor(properties: Props<OfClass>) {
    Object.assign(this, properties);
  }
}

export const right = [
  OfZod({ total: 3, currency: 'EUR' }),
  OfZod({ total: 3, currency: 'EUR', note: 'x', $set: { a: 1 } }, { distinctId: 'a', groups: { company: 1 } }),
  OfValibot({ total: 3, currency: 'EUR', $current_url: '/' }, { timestamp: new Date() }),
  OfArkType({ total: 3, currency: 'USD', note: 'x' }, { distinctId: 3 }),
  new OfClass({ total: 3, currency: 'EUR' }),
  new OfClass({ total: 3, currency: 'EUR', email: 'a@example.com' }),
  defineEvent('empty', z.object({}))(),
  defineEvent('optional', z.object({ a: z.string().default('x') }))(),
];

/** The literal types of name and description are what editors show. */
export const shown: 'An order was paid' = OfZod.info.description;
export const name: 'order_placed' = OfZod({ total: 1, currency: 'EUR' }).event;

const OfUnion = z.union([z.object({ by: z.literal('mail'), email: z.string() }), z.object({ by: z.literal('sms') })]);
export const named = [
  defineEvent('invited', OfUnion, { pii: ['email'] }),
  // @ts-expect-error no property of any alternative
  defineEvent('invited', OfUnion, { pii: ['phone'] }),
];

const Renaming = z.object({ mail: z.string() }).transform(({ mail }) => ({ email: mail }));
export const renamed = defineEvent('invited', Renaming, { pii: ['mail', 'email'] });

export const wrongType = [
  // @ts-expect-error a string for a number
  OfZod({ total: '3', currency: 'EUR' }),
  // @ts-expect-error a string for a number
  OfValibot({ total: '3', currency: 'EUR' }),
  // @ts-expect-error a string for a number
  OfArkType({ total: '3', currency: 'EUR' }),
  // @ts-expect-error a string for a number
  new OfClass({ total: '3', currency: 'EUR' }),
];

export const unknownProperty = [
  // @ts-expect-error no such property
  OfZod({ total: 3, currency: 'EUR', amount: 3 }),
  // @ts-expect-error no such property
  OfValibot({ total: 3, currency: 'EUR', amount: 3 }),
  // @ts-expect-error no such property
  OfArkType({ total: 3, currency: 'EUR', amount: 3 }),
  // @ts-expect-error no such property
  new OfClass({ total: 3, currency: 'EUR', amount: 3 }),
  // @ts-expect-error no such field
  OfZod({ total: 3, currency: 'EUR' }, { distinct: 'a' }),
  // @ts-expect-error no such property to protect
  defineEvent('other', z.object({ total: z.number() }), { pii: ['amount'] }),
];

export const missingProperty = [
  // @ts-expect-error total is missing
  OfZod({ currency: 'EUR' }),
  // @ts-expect-error total is missing
  OfValibot({ currency: 'EUR' }),
  // @ts-expect-error total is missing
  OfArkType({ currency: 'EUR' }),
  // @ts-expect-error total is missing
  new OfClass({ currency: 'EUR' }),
  // @ts-expect-error the properties are missing
  OfZod(),
];

export const wrongLiteral = [
  // @ts-expect-error not a currency
  OfZod({ total: 3, currency: 'GBP' }),
  // @ts-expect-error not a currency
  OfValibot({ total: 3, currency: 'GBP' }),
  // @ts-expect-error not a currency
  OfArkType({ total: 3, currency: 'GBP' }),
  // @ts-expect-error not a currency
  new OfClass({ total: 3, currency: 'GBP' }),
];

const Optional = defineEvent('optional', z.object({ note: z.string().optional() }));

export class Uses {
  @TrackEvent(OfZod, { properties: ({ durationMs }) => ({ total: durationMs, currency: 'EUR' }) })
  @TrackEvent(OfClass, { properties: { total: 3, currency: 'EUR' }, on: 'any' })
  @TrackEvent(Optional)
  right(): void {}

  // @ts-expect-error a string for a number
  @TrackEvent(OfZod, { properties: () => ({ total: '3', currency: 'EUR' }) })
  // @ts-expect-error not a currency
  @TrackEvent(OfClass, { properties: () => ({ total: 3, currency: 'GBP' }) })
  // @ts-expect-error the properties are missing
  @TrackEvent(OfValibot)
  // @ts-expect-error no such property
  @TrackEvent(OfArkType, { properties: { total: 3, currency: 'EUR', amount: 3 } })
  wrong(): void {}
}

export function calls(capture: CaptureService, recorder: CaptureRecorder): void {
  capture.capture(OfZod({ total: 3, currency: 'EUR' }));
  capture.capture(new OfClass({ total: 3, currency: 'EUR' }), { distinctId: 'a' });
  void capture.captureNow(OfArkType({ total: 3, currency: 'EUR' }), { timeoutMs: 1 });
  void capture.captureNow(new OfClass({ total: 3, currency: 'EUR' }), { distinctId: 'a', timeoutMs: 1 });
  PostHogCaptureModule.forRoot({ events: { catalog: [OfZod, OfValibot, OfArkType, OfClass] } });
  expect(recorder).toHaveCaptured(OfZod, { properties: { total: 3 } });
  expect(recorder).toHaveCapturedTimes(OfClass, 1);
  // @ts-expect-error a definition is no event
  capture.capture(OfZod);
  // @ts-expect-error no such field
  capture.capture({ evnt: 'a' });
  // @ts-expect-error no definition
  PostHogCaptureModule.forRoot({ events: { catalog: [z.object({})] } });
}
