import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { FlagCircuit } from '../../../lib/flags/circuit.js';

beforeEach(() => {
  jest.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  jest.useRealTimers();
});

it('admits every request until one fails, and then none until the cool-down is over', () => {
  const circuit = new FlagCircuit(10_000);
  expect([circuit.admit(), circuit.admit(), circuit.coolDownUntil]).toEqual([true, true, null]);
  circuit.settle(false);
  expect([circuit.admit(), circuit.coolDownUntil]).toEqual([false, 1_010_000]);
  jest.advanceTimersByTime(9_999);
  expect(circuit.admit()).toBe(false);
  jest.advanceTimersByTime(1);
  expect([circuit.admit(), circuit.admit()]).toEqual([true, false]);
});

it('admits every request after a probe that succeeded, and none after one that failed', () => {
  const circuit = new FlagCircuit(10_000);
  circuit.settle(false);
  jest.advanceTimersByTime(10_000);
  expect(circuit.admit()).toBe(true);
  circuit.settle(false);
  expect(circuit.admit()).toBe(false);
  jest.advanceTimersByTime(10_000);
  expect(circuit.admit()).toBe(true);
  circuit.settle(true);
  expect([circuit.admit(), circuit.admit(), circuit.coolDownUntil]).toEqual([true, true, null]);
});

it('stays open when a request succeeds that began before', () => {
  const circuit = new FlagCircuit(10_000);
  circuit.settle(false);
  circuit.settle(true);
  expect(circuit.admit()).toBe(false);
});
