import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LibvirtGuest } from '../../src/hosts/libvirt/libvirtGuest.js';
import { localShell } from '../../src/hosts/libvirt/hostShell.js';
import { commitSnapshot, listSnapshots, snapshotAbsence } from '../../src/hosts/libvirt/snapshots.js';
import { LabGuest } from '../lab/guest.js';
import { LabLibvirt } from '../lab/libvirt.js';
import { driverOn, mortalShell, newRunId, NEVER, releaseAll, take, traces } from './libvirtDriver.js';

let lab: LabLibvirt;
let vm: LabGuest;

beforeAll(async () => {
  lab = await LabLibvirt.start();
  vm = await LabGuest.start(lab, { name: 'survivor', format: ['qcow2', 'raw'] });
  await vm.startWriter(20);
}, 300_000);

afterAll(async () => {
  await lab.stop();
});

/** More than any of these takes. */
const MANY = 60;

/** Runs something that dies after one command, after two, and so on until it lives to its end; each time somebody cleans up. */
async function dieEverywhere(
  work: (commands: number) => Promise<{ readonly isDead: boolean }>,
): Promise<number> {
  for (let commands = 1; commands < MANY; commands++) {
    const { isDead } = await work(commands);
    await releaseAll(driverOn(lab), vm);
    expect({ commands, traces: await traces(vm) }).toEqual({ commands, traces: [] });
    if (!isDead) return commands;
  }
  throw new Error(`it has not ended after ${MANY} commands`);
}

for (const pointInTime of ['pull', 'overlay'] as const) {
  describe(`by ${pointInTime}`, () => {
    it('a taker killed between any two steps leaves nothing that its successor does not let go', async () => {
      const steps = await dieEverywhere(async (commands) => {
        const shell = mortalShell(localShell, commands);
        // The description is the run’s id, as far as these tests go.
        const runId = newRunId();
        const taking = take(driverOn(lab, { pointInTime }, shell), vm, { runId, description: runId });
        await taking.catch(() => undefined);
        return shell;
      });
      expect(steps).toBeGreaterThan(8);
      expect(await vm.isWriting()).toBe(true);
    }, 120_000);

    it('a releaser killed between any two steps leaves nothing either', async () => {
      await dieEverywhere(async (commands) => {
        const runId = newRunId();
        const { snapshot } = await take(driverOn(lab, { pointInTime }), vm, {
          ...{ runId, description: runId, quiesce: false },
        });
        const shell = mortalShell(localShell, commands);
        await commitSnapshot(driverOn(lab, { pointInTime }, shell), vm.uuid, snapshot.id).catch(
          () => undefined,
        );
        return shell;
      });
    }, 120_000);

    it('a process killed in the middle of a freeze leaves a guest that is let go at once', async () => {
      const runId = newRunId();
      for (const delayMs of [0, 60, 120, 200]) {
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
    await dieEverywhere(async (commands) => {
      const shell = mortalShell(localShell, commands);
      const guest = new LibvirtGuest(driverOn(lab, {}, shell));
      const runId = newRunId();
      await guest
        .pauseApplication(vm.uuid, { runId, description: runId }, NEVER)
        .then(() => guest.resumeApplication(vm.uuid, runId))
        .catch(() => undefined);
      return shell;
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
