import fc from 'fast-check';
import { XMLParser } from 'fast-xml-parser';
import { SyntaxValidator } from 'fast-xml-validator';
import { describe, expect, it } from 'vitest';
import { byVm, type PastRun } from '../../src/domain/pastRuns.js';
import { reportPage } from '../../src/report/page.js';

const DAYS = ['2026-11-22', '2026-11-23', '2026-11-24'];

function page(runs: readonly PastRun[]): string {
  const now = new Date('2026-11-24T12:00:00Z');
  return reportPage({ histories: byVm(runs), days: DAYS, timeZone: 'UTC', now, version: '0.1.0' });
}

function pastRun(vm: string, day: string, state: string, bytes?: number): PastRun {
  return {
    ...{ vm, kind: 'backup', state, workflowId: `vm/${vm}`, runId: day, job: 'nightly' },
    ...(bytes === undefined ? {} : { bytes }),
    startedAt: new Date(`${day}T01:00:00Z`),
    endedAt: new Date(`${day}T01:00:10Z`),
  };
}

describe('the report', () => {
  it('shows each VM on each day, its sizes and rates, and what did not succeed', () => {
    const text = page([
      pastRun('db', '2026-11-22', 'succeeded', 1024),
      pastRun('db', '2026-11-23', 'failed'),
      pastRun('db', '2026-11-24', 'succeeded', 4096),
      pastRun('web', '2026-11-24', 'cancelled'),
    ]);
    expect(text).toMatch(/1\s+of 2 VMs have a good backup/);
    const cells = [...text.matchAll(/<td class="(\w+)" title="([^"]*)"/g)].map(([, state, title]) => [
      state,
      title,
    ]);
    expect(cells).toEqual([
      ['succeeded', '2026-11-22: backup succeeded (nightly)'],
      ['failed', '2026-11-23: backup failed (nightly)'],
      ['succeeded', '2026-11-24: backup succeeded (nightly)'],
      ['cancelled', '2026-11-24: backup cancelled (nightly)'],
    ]);
    expect(text).toMatch(/4\.0 KiB/);
    expect(text).toMatch(/410 B\/s/);
    expect(text).toMatch(/points="0\.0,13\.5 90\.0,0\.0"/);
    expect(text.match(/<code\s*>vm\/(db|web)/g)).toHaveLength(2);
  });

  it('fetches nothing and runs nothing', () => {
    expect(page([pastRun('db', '2026-11-24', 'succeeded', 1)])).not.toMatch(/<script|<link|src=|https?:/);
  });

  it('is well-formed whatever a VM is called, and nothing of a name becomes a part of the page', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const hostile = `</td><script>"'&${name}`;
        const text = page([pastRun(hostile, '2026-11-24', 'failed')]).replace('<!DOCTYPE html>', '');
        expect(SyntaxValidator.validate(text)).toBe(true);
        const parsed = JSON.stringify(new XMLParser().parse(text));
        expect(parsed).not.toContain('"script":');
      }),
    );
  });
});
