import { describe, expect, it } from 'vitest';
import { byDay, byVm, lastDays, resultOf, type PastRun } from '../../src/domain/pastRuns.js';

function pastRun(vm: string, startedAt: string, state: string, workflowId = `vm/${vm}`): PastRun {
  return { vm, kind: 'backup', state, startedAt: new Date(startedAt), workflowId, runId: startedAt };
}

describe('what is known of past runs', () => {
  it('is put together by VM, whatever it was called, under its last name', () => {
    const histories = byVm([
      pastRun('old name', '2026-01-01T00:00:00Z', 'succeeded', 'vm/1'),
      pastRun('new name', '2026-01-02T00:00:00Z', 'failed', 'vm/1'),
      pastRun('another', '2026-01-01T00:00:00Z', 'failed', 'vm/2'),
    ]);
    expect(histories.map(({ vm, last, lastSuccess }) => [vm, last.state, lastSuccess?.vm])).toEqual([
      ['another', 'failed', undefined],
      ['new name', 'failed', 'old name'],
    ]);
  });

  it('is counted by the days of somebody’s clocks, also where one has 23 hours', () => {
    const now = new Date('2026-03-30T21:30:00Z');
    expect(lastDays(now, 3, 'Europe/Berlin')).toEqual(['2026-03-28', '2026-03-29', '2026-03-30']);
    expect(lastDays(now, 1, 'Pacific/Auckland')).toEqual(['2026-03-31']);
    const on = byDay(
      [
        pastRun('db', '2026-03-28T22:59:59Z', 'failed'),
        pastRun('db', '2026-03-28T23:00:00Z', 'succeeded'),
        pastRun('db', '2026-03-29T21:59:59Z', 'failed'),
      ],
      'Europe/Berlin',
    );
    expect(['2026-03-28', '2026-03-29', '2026-03-30'].map((day) => on(day).length)).toEqual([1, 2, 0]);
  });

  it('comes to a good day where one of its backups is good', () => {
    const day = '2026-01-01T00:00:00Z';
    const result = (...states: readonly string[]) =>
      resultOf(states.map((state) => pastRun('db', day, state)));
    expect(result()).toBeUndefined();
    expect(result('failed', 'succeeded', 'cancelled')).toBe('succeeded');
    expect(result('failed', 'running')).toBe('running');
    expect(result('terminated')).toBe('failed');
    expect(result('cancelled')).toBe('cancelled');
  });
});
