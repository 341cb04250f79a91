import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LibvirtGuest } from '../../src/hosts/libvirt/guest/libvirtGuest.js';
import {
  commitSnapshot,
  listSnapshots,
  snapshotAbsence,
} from '../../src/hosts/libvirt/snapshot/snapshots.js';
import { LabGuest } from '../lab/guest.js';
import { LabLibvirt } from '../lab/libvirt.js';
import {
  closeDrivers,
  driverOn,
  mortalDriver,
  newRunId,
  NEVER,
  releaseAll,
  take,
  traces,
} from './libvirtDriver.js';

let lab: LabLibvirt;
let vm: LabGuest;

beforeAll(async () => {
  lab = await LabLibvirt.start();
  vm = await LabGuest.start(lab, { name: 'survivor', format: ['qcow2', 'raw'] });
  await vm.startWriter(20);
}, 300_000);

afterAll(async () => {
  await closeDrivers();
  await lab.stop();
});

/** More than any of these takes. */
const MANY = 60;

/**
 * Runs something that dies after the first step, or the second, and after every other one from there until it lives to its end; each
 * time somebody cleans up. The two ways of taking a point in time share most of their steps: one takes the odd ones.
 */
async function dieEverywhere(first: number, work: (steps: number) => Promise<boolean>): Promise<number> {
  for (let steps = first; steps < MANY; steps += 2) {
    const isDead = await work(steps);
    await releaseAll(driverOn(lab), vm);
    expect({ steps, traces: await traces(vm) }).toEqual({ steps, traces: [] });
    await closeDrivers();
    if (!isDead) return steps;
  }
  throw new Error(`it has not ended after ${MANY} steps`);
}

for (const [first, pointInTime] of [
  [1, 'pull'],
  [2, 'overlay'],
] as const) {
  describe(`by ${pointInTime}`, () => {
    it('a taker killed between any two steps leaves nothing that its successor does not let go', async () => {
      const needed = await dieEverywhere(first, async (steps) => {
        const { driver, isDead } = mortalDriver(lab, steps, { pointInTime });
        // The description is the run’s id, as far as these tests go.
        const runId = newRunId();
        const taking = take(driver, vm, { runId, description: runId });
        await taking.catch(() => undefined);
        return isDead();
      });
      expect(needed).toBeGreaterThan(8);
      expect(await vm.isWriting()).toBe(true);
    }, 120_000);

    it('a releaser killed between any two steps leaves nothing either', async () => {
      await dieEverywhere(first, async (steps) => {
        const runId = newRunId();
        const { snapshot } = await take(driverOn(lab, { pointInTime }), vm, {
          ...{ runId, description: runId, quiesce: false },
        });
        const { driver, isDead } = mortalDriver(lab, steps, { pointInTime });
        await commitSnapshot(driver, vm.uuid, snapshot.id).catch(() => undefined);
        return isDead();
      });
    }, 120_000);

    it('a process killed in the middle of a freeze leaves a guest that is let go at once', async () => {
      const runId = newRunId();
      for (const delayMs of [50, 150]) {
        await killTaker(pointInTime, runId, delayMs);
        await releaseAll(driverOn(lab), vm);
        expect(await traces(vm)).toEqual([]);
        expect(await snapshotAbsence(driverOn(lab), vm.uuid, () => true)).toEqual({ state: 'gone' });
      }
    });
  });
}

describe('the freeze scripts', () => {
  it('killed between any two steps leave an application that its successor resumes', async () => {
    await dieEverywhere(1, async (steps) => {
      const { driver, isDead } = mortalDriver(lab, steps);
      const guest = new LibvirtGuest(driver);
      const runId = newRunId();
      await guest
        .pauseApplication(vm.uuid, { runId, description: runId }, NEVER)
        .then(() => guest.resumeApplication(vm.uuid, runId))
        .catch(() => undefined);
      return isDead();
    });
    expect(await vm.isWriting()).toBe(true);
    expect(await listSnapshots(driverOn(lab), vm.uuid)).toEqual([]);
  }, 120_000);
});

/** Lets a process of its own take a point in time, and kills it so long after the freeze was noted. */
async function killTaker(pointInTime: string, runId: string, delayMs: number): Promise<void> {
  const script = fileURLToPath(new URL('libvirtTaker.js', import.meta.url));
  const child = spawn(process.execPath, [script, lab.uri, vm.uuid, runId, pointInTime], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  child.kill('SIGKILL');
  await ended;
}
