import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Allowance } from '../../src/platform/allowance.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const limits = { count: 3, size: 10, periodMs: 1_000 };

it('lets so many pieces through, and says once that it has had enough', () => {
  const allowance = new Allowance(limits);
  expect([1, 1, 1, 1, 1].map((size) => allowance.take(size))).toEqual(['within', 'within', 'within', 'spent', 'over']);
});

it('lets so much through, however few pieces it is', () => {
  const allowance = new Allowance(limits);
  expect([10, 1, 1].map((size) => allowance.take(size))).toEqual(['within', 'spent', 'over']);
  expect(new Allowance(limits).take(11)).toBe('spent');
});

it('begins anew with each period', () => {
  const allowance = new Allowance(limits);
  allowance.take(11);
  vi.advanceTimersByTime(1_001);
  expect(allowance.take(10)).toBe('within');
});
