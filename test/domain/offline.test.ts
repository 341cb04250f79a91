import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideOffline, type OfflineRules, type OfflineThing } from '../../src/domain/offline.js';
import type { OwnerRecord } from '../../src/domain/owner.js';

const OWNER: OwnerRecord = {
  version: 1,
  cluster: 'c1',
  namespace: 'default',
  workflowId: 'vm/h/v',
  runId: 'r',
  hostUuid: 'h',
  vmUuid: 'v',
  proxy: 'p',
  machineId: 'm',
  bootId: 'b',
  takenAt: '2026-01-01T00:00:00Z',
};
const SILENT = { cluster: 'c1', namespace: 'default', silentMs: 901_000, isSinceBoot: true };
const RULES: OfflineRules = {
  proxy: 'p',
  machineId: 'm',
  bootId: 'b',
  heard: SILENT,
  afterMs: 900_000,
  maximumAgeMs: 86_400_000,
  livingWorker: undefined,
};

function decide(thing: Partial<OfflineThing> = {}, rules: Partial<OfflineRules> = {}) {
  return decideOffline({ owner: OWNER, vmUuid: 'v', diesWithBoot: false, ...thing }, { ...RULES, ...rules });
}

describe('the rules of release without a server', () => {
  it('let go what this proxy took, once its server was silent for long enough', () => {
    expect(decide().release).toBe(true);
    expect(decide({}, { heard: { ...SILENT, silentMs: 900_000 } })).toMatchObject({ because: 'unknown' });
    expect(decide({}, { heard: undefined }).release).toBe(false);
  });

  it('let go what is older than the maximum snapshot age, however short the silence', () => {
    expect(decide({ ageMs: 86_400_001 }, { heard: { ...SILENT, silentMs: 0 } }).release).toBe(true);
  });

  it('keep what a run would need to end', () => {
    expect(decide({ isNeededToEnd: true })).toMatchObject({ because: 'unknown' });
  });

  it('let go a process of an earlier boot, unless the server was heard of since', () => {
    const earlier = { bootId: 'another' };
    const rebooted = { ...SILENT, silentMs: 1000, isSinceBoot: false };
    expect(decide({ diesWithBoot: true }, { ...earlier, heard: rebooted }).release).toBe(true);
    expect(decide({ diesWithBoot: false }, { ...earlier, heard: rebooted }).release).toBe(false);
    const heard = { ...rebooted, isSinceBoot: true };
    expect(decide({ diesWithBoot: true }, { ...earlier, heard }).release).toBe(false);
  });

  it('never let go what another proxy, machine or server owns, a clone’s copy, or what has no owner, and always say why', () => {
    const anything = fc.record({
      ageMs: fc.nat(),
      diesWithBoot: fc.boolean(),
      silentMs: fc.nat(),
      isSinceBoot: fc.boolean(),
      bootId: fc.constantFrom('b', 'another'),
    });
    const foreign = fc.constantFrom<Partial<OfflineThing>>(
      { owner: undefined },
      { owner: { ...OWNER, proxy: 'another' } },
      { owner: { ...OWNER, machineId: 'another' } },
      { vmUuid: 'a clone' },
    );
    fc.assert(
      fc.property(anything, foreign, ({ ageMs, diesWithBoot, bootId, ...heard }, thing) => {
        const rules = { bootId, heard: { ...SILENT, ...heard } };
        const decision = decide({ ageMs, diesWithBoot, ...thing }, rules);
        expect(decision.release).toBe(false);
        expect(decision.reason.length).toBeGreaterThan(10);
      }),
    );
    expect(decide({ owner: { ...OWNER, cluster: 'c2' } })).toMatchObject({ because: 'foreign' });
    expect(decide({}, { machineId: '' }).release).toBe(false);
  });

  it('keep everything that a living worker may be working with', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (ageMs, silentMs) => {
        const rules = { livingWorker: 'worker.1.1', heard: { ...SILENT, silentMs } };
        expect(decide({ ageMs }, rules).release).toBe(false);
      }),
    );
  });
});
