import { processSingleton } from '../shared/process-singleton.js';

/** UTF-8 bytes of the steps of one context, as JSON. PostHog's own default. */
export const MAX_STEPS_BYTES = 32 * 1024;
/** Of a step without properties, besides its message: the names of its fields, and its time. */
const FRAME_BYTES = JSON.stringify({ $message: '', $timestamp: new Date(0).toISOString() }).length;

/** An entry of `$exception_steps`. */
export interface ExceptionStep {
  readonly $message: string;
  /** RFC 3339. */
  readonly $timestamp: string;
  readonly [property: string]: unknown;
}

/** A step before it is needed: as JSON, or the name of a captured event. */
interface KeptStep {
  readonly text: string;
  /** Time of an event in epoch milliseconds; null if `text` is the JSON of a step. */
  readonly capturedAt: number | null;
  readonly bytes: number;
  /** Position among all steps of the process: the clock may be set back. */
  readonly order: number;
}

interface StepRing {
  readonly steps: KeptStep[];
  bytes: number;
}

/** The steps of one instance in a context, and those of the contexts within it, which must not displace them. */
interface InstanceSteps {
  readonly instance: object;
  readonly own: StepRing;
  inner: StepRing | undefined;
}

/** The part of a context scope that has steps. Plain data, as the scope itself. */
export interface StepHolder {
  readonly below: StepHolder | undefined;
  /** undefined as long as there is none. */
  steps: InstanceSteps[] | undefined;
}

const orders = processSingleton('exception-steps', () => ({ last: 0 }));

/** @param json of an ExceptionStep */
export function addStep(holder: StepHolder, instance: object, json: string, bytes: number): void {
  keep(holder, instance, { text: json, capturedAt: null, bytes, order: (orders.last += 1) });
}

/** @param capturedAt epoch milliseconds */
export function addEventStep(holder: StepHolder, instance: object, event: string, capturedAt: number): void {
  keep(holder, instance, { text: event, capturedAt, bytes: FRAME_BYTES + event.length, order: (orders.last += 1) });
}

/** An error that leaves a context is captured around it, so each context also keeps the steps of those within it. */
function keep(holder: StepHolder, instance: object, step: KeptStep): void {
  push(stepsIn(holder, instance).own, step);
  for (let around = holder.below; around !== undefined; around = around.below)
    push((stepsIn(around, instance).inner ??= { steps: [], bytes: 0 }), step);
}

function stepsIn(holder: StepHolder, instance: object): InstanceSteps {
  const known = holder.steps?.find((one) => one.instance === instance);
  if (known !== undefined) return known;
  const added: InstanceSteps = { instance, own: { steps: [], bytes: 0 }, inner: undefined };
  if (holder.steps === undefined) holder.steps = [added];
  else holder.steps.push(added);
  return added;
}

function push(ring: StepRing, step: KeptStep): void {
  ring.steps.push(step);
  ring.bytes += step.bytes;
  while (ring.bytes > MAX_STEPS_BYTES) ring.bytes -= ring.steps.shift()?.bytes ?? ring.bytes;
}

/** The steps of a context, those around it and those within it: the newest 32 KiB, oldest first. Empty if there is none. */
export function stepsOf(holder: StepHolder, instance: object): ExceptionStep[] {
  const kept: ExceptionStep[] = [];
  let left = MAX_STEPS_BYTES;
  for (const step of visible(holder, instance).reverse()) {
    const json = step.capturedAt === null ? step.text : eventJson(step.text, step.capturedAt);
    left -= Buffer.byteLength(json);
    if (left < 0) break;
    kept.push(JSON.parse(json) as ExceptionStep);
  }
  return kept.reverse();
}

const eventJson = (event: string, capturedAt: number): string =>
  JSON.stringify({ $message: event, $timestamp: new Date(capturedAt).toISOString() });

function visible(holder: StepHolder, instance: object): KeptStep[] {
  const steps: KeptStep[] = [];
  for (let one: StepHolder | undefined = holder; one !== undefined; one = one.below) {
    const found = one.steps?.find((entry) => entry.instance === instance);
    if (found === undefined) continue;
    steps.push(...found.own.steps);
    if (one === holder) steps.push(...(found.inner?.steps ?? []));
  }
  return steps.sort((a, b) => a.order - b.order);
}

/** The steps of a context and those around it, for a context that replaces them all. */
export function flattenSteps(holder: StepHolder): InstanceSteps[] | undefined {
  const instances = new Set<object>();
  for (let one: StepHolder | undefined = holder; one !== undefined; one = one.below)
    for (const { instance } of one.steps ?? []) instances.add(instance);
  if (instances.size === 0) return undefined;
  return Array.from(instances, (instance) => {
    const own: StepRing = { steps: [], bytes: 0 };
    for (const step of visible(holder, instance)) push(own, step);
    return { instance, own, inner: undefined };
  });
}
