import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatOwner, parseOwner, type OwnerRecord } from '../../src/domain/owner.js';
import {
  decideRelease,
  type FoundThing,
  type Liveness,
  type ReleaseRules,
} from '../../src/domain/release.js';

const text = fc.string({ unit: 'binary', maxLength: 40 });
const owners: fc.Arbitrary<OwnerRecord> = fc.record({
  version: fc.constant(1),
  cluster: text,
  namespace: text,
  workflowId: text,
  runId: text,
  hostUuid: text,
  vmUuid: text,
  proxy: text,
  machineId: text,
  bootId: text,
  takenAt: text,
});
const livenesses = fc.constantFrom<Liveness>(
  { state: 'living' },
  { state: 'closed', status: 'terminated' },
  { state: 'unknown to its cluster' },
  { state: 'unreachable' },
);

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
const RULES: ReleaseRules = { cluster: 'c1', namespace: 'default', maximumAgeMs: 1000 };
const CLOSED: Liveness = { state: 'closed', status: 'terminated' };

function decide(thing: Partial<FoundThing>, liveness: Liveness, rules: Partial<ReleaseRules> = {}) {
  return decideRelease({ owner: OWNER, vmUuid: 'v', ...thing }, liveness, { ...RULES, ...rules });
}

describe('an owner record', () => {
  it('with an age that no number holds is none: it could not be written down again', () => {
    const text = formatOwner({ ...OWNER, maximumAgeMs: 5 }).replace(
      '"maximumAgeMs":5',
      '"maximumAgeMs":1e999',
    );
    expect(text).toContain('1e999');
    expect(parseOwner(text)).toBeUndefined();
  });

  it('comes back from the text on the thing as it was, whatever its names hold', () => {
    fc.assert(
      fc.property(owners, (owner) => {
        expect(parseOwner(formatOwner(owner))).toEqual(owner);
      }),
    );
  });

  it('is found among other lines of a description', () => {
    expect(parseOwner(`a note\n${formatOwner(OWNER)}\nquiesced:true`)).toEqual(OWNER);
  });

  it.each([
    '',
    'nightly snapshot',
    'everthaw-owner:',
    'everthaw-owner:{}',
    'everthaw-owner:{"version":2}',
    'everthaw-owner:[1',
  ])('is not read out of %j', (description) => {
    expect(parseOwner(description)).toBeUndefined();
  });
});

describe('the rules of release', () => {
  it('let go what belongs to a run that is closed or forgotten by its own cluster', () => {
    expect(decide({}, CLOSED).release).toBe(true);
    expect(decide({}, { state: 'unknown to its cluster' }).release).toBe(true);
  });

  it('keep what a living run owns, until it is older than the maximum snapshot age', () => {
    expect(decide({ ageMs: 1000 }, { state: 'living' }).release).toBe(false);
    expect(decide({ ageMs: 1001 }, { state: 'living' }).release).toBe(true);
  });

  it('go by the age that the run was given, whatever the setting of who sweeps', () => {
    const patient = { ...OWNER, maximumAgeMs: 5000 };
    expect(decide({ owner: patient, ageMs: 5000 }, { state: 'living' }).release).toBe(false);
    expect(decide({ owner: patient, ageMs: 5001 }, { state: 'living' }).release).toBe(true);
    expect(decide({ owner: { ...OWNER, maximumAgeMs: 500 }, ageMs: 501 }, { state: 'living' }).release).toBe(
      true,
    );
  });

  it('keep what carries no record, a clone of ours, and what belongs to another cluster or namespace, however old', () => {
    fc.assert(
      fc.property(livenesses, fc.nat(), (liveness, ageMs) => {
        expect(decide({ owner: undefined, ageMs }, liveness).release).toBe(false);
        expect(decide({ vmUuid: 'a clone', ageMs }, liveness).release).toBe(false);
        expect(decide({ ageMs }, liveness, { cluster: 'c2' }).release).toBe(false);
        expect(decide({ ageMs }, liveness, { namespace: 'other' }).release).toBe(false);
        expect(decide({ ageMs }, liveness, { cluster: undefined }).release).toBe(false);
      }),
    );
  });

  it('keep what a run may just be starting with, though no server knows that run yet', () => {
    expect(decide({ isStarting: true }, { state: 'unknown to its cluster' }).release).toBe(false);
    expect(decide({ isStarting: false }, { state: 'unknown to its cluster' }).release).toBe(true);
  });

  it('let go what a command that died left behind, whatever its record says', () => {
    expect(decide({ owner: undefined, orphaned: 'its command is dead' }, { state: 'unreachable' })).toEqual({
      release: true,
      reason: 'its command is dead',
    });
  });

  it('keep when in doubt, and always say why', () => {
    expect(decide({}, { state: 'unreachable' })).toEqual({
      release: false,
      because: 'unknown',
      reason: 'its Temporal server does not answer',
    });
    fc.assert(
      fc.property(
        fc.option(owners, { nil: undefined }),
        livenesses,
        (owner, liveness) => decide({ owner }, liveness).reason.length > 10,
      ),
    );
  });
});
