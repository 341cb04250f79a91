import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VmDescription } from '../../src/domain/vm.js';
import { checkVm, watchVm } from '../../src/hosts/libvirt/snapshot/room.js';
import { commitSnapshot } from '../../src/hosts/libvirt/snapshot/snapshots.js';
import { LabGuest } from '../lab/guest.js';
import { LabLibvirt } from '../lab/libvirt.js';
import { run } from '../lab/run.js';
import { closeDrivers, driverOn, take, traces } from './libvirtDriver.js';

const IS_ROOT = process.getuid?.() === 0;
const MIB = 1024 * 1024;

let lab: LabLibvirt;
let vm: LabGuest;
let small: string;

describe.skipIf(!IS_ROOT)(
  `room for what a VM overwrites${IS_ROOT ? '' : ' (SKIPPED: mounting a small file system needs root)'}`,
  () => {
    beforeAll(async () => {
      lab = await LabLibvirt.start();
      vm = await LabGuest.start(lab, { name: 'filling', format: 'raw' });
      small = join(lab.directory, 'small');
      await mkdir(small);
      await run('mount', ['-t', 'tmpfs', '-o', 'size=14m', 'tmpfs', small]);
    }, 300_000);

    afterAll(async () => {
      await closeDrivers();
      await run('umount', [small], { mayFail: true });
      await lab.stop();
    });

    /** What the check reads of a description. */
    const described = (): VmDescription =>
      ({
        name: vm.name,
        instanceUuid: vm.uuid,
        disks: [{ capacityBytes: 320 * MIB }],
      }) as unknown as VmDescription;

    it('is asked for before anything is touched', async () => {
      await expect(checkVm(driverOn(lab, { scratchDirectory: small }), described())).rejects.toMatchObject({
        code: 'HostStorageFull',
        why: expect.stringContaining(small) as string,
      });
      expect(await checkVm(driverOn(lab, { scratchFloorBytes: 0 }), described())).toEqual([]);
    });

    for (const pointInTime of ['pull', 'overlay'] as const) {
      it(`runs short: the backup by ${pointInTime} is given up before the VM stands still`, async () => {
        const driver = driverOn(lab, { pointInTime, scratchDirectory: small, scratchFloorBytes: 6 * MIB });
        const { snapshot } = await take(driver, vm, { quiesce: false });
        await watchVm(driver, vm.uuid, snapshot.id);
        await overwrite(1);
        await expect
          .poll(() => watchVm(driver, vm.uuid, snapshot.id).catch((error: unknown) => error), {
            timeout: 20_000,
          })
          .toMatchObject({
            code: 'HostStorageFull',
            why: expect.stringContaining('below the floor') as string,
          });
        expect(await vm.virshState()).toBe('running');
        await commitSnapshot(driver, vm.uuid, snapshot.id);
        await allIsWritten();
        expect(await traces(vm)).toEqual([]);
      });

      it(`runs out: the VM that stands still goes on after the release (${pointInTime})`, async () => {
        const driver = driverOn(lab, { pointInTime, scratchDirectory: small, scratchFloorBytes: 0 });
        const { snapshot } = await take(driver, vm, { quiesce: false });
        await overwrite(4).catch(() => undefined);
        await expect.poll(() => vm.virshState(), { timeout: 20_000 }).toBe('paused');
        await expect(watchVm(driver, vm.uuid, snapshot.id)).rejects.toMatchObject({
          code: 'HostStorageFull',
          why: expect.stringContaining('I/O error') as string,
        });
        await commitSnapshot(driver, vm.uuid, snapshot.id);
        expect(await vm.virshState()).toBe('running');
        await allIsWritten();
        expect(await traces(vm)).toEqual([]);
      });
    }

    it('is no concern of a snapshot that is gone', async () => {
      const driver = driverOn(lab);
      const { snapshot } = await take(driver, vm, { quiesce: false });
      await commitSnapshot(driver, vm.uuid, snapshot.id);
      await expect(watchVm(driver, vm.uuid, snapshot.id)).rejects.toMatchObject({ code: 'SnapshotLost' });
    });
  },
);

/** Overwrites so many of the files of 8 MiB each, in the background: a VM that stands still does not answer. */
async function overwrite(files: number): Promise<void> {
  const write = `rm -f /run/overwritten; (for n in $(seq 0 ${files - 1}); do
    dd if=/dev/urandom of=/data/file-$n bs=1M count=8 conv=notrunc,fsync
  done; touch /run/overwritten) > /dev/null 2>&1 &`;
  await vm.exec('sh', '-c', write);
}

/** What is still written would fill the next test's room. */
async function allIsWritten(): Promise<void> {
  const written = (): Promise<number | undefined> =>
    vm.exec('sh', '-c', 'test -e /run/overwritten && sync').then(
      ({ code }) => code,
      () => undefined,
    );
  await expect.poll(written, { timeout: 30_000 }).toBe(0);
}
