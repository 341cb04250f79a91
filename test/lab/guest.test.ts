import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LabGuest, type DiskFormat } from './guest.js';
import { eventually } from './lab.js';
import { LabLibvirt } from './libvirt.js';
import { needsRecovery, recordsOn } from './records.js';

let libvirt: LabLibvirt;
let guest: LabGuest | undefined;

beforeAll(async () => {
  libvirt = await LabLibvirt.start();
});

afterEach(async () => {
  await guest?.destroy();
  guest = undefined;
});

afterAll(() => libvirt.stop());

async function start(format: DiskFormat = 'qcow2'): Promise<LabGuest> {
  guest = await LabGuest.start(libvirt, { name: 'lab', format });
  return guest;
}

/** Copies of both disks, as a backup would take them. */
function copyDisks(of: LabGuest): Promise<string[]> {
  return Promise.all(
    of.diskPaths.map(async (path, n) => {
      const copy = join(of.directory, `copy-${n}`);
      await copyFile(path, copy);
      return copy;
    }),
  );
}

describe('the lab guest', () => {
  it.each(['raw', 'qcow2', 'backed'] as const)(
    'comes up from saved memory on %s disks, and what it writes while they are frozen waits',
    async (format) => {
      const vm = await start(format);
      expect(await vm.virshState()).toBe('running');
      expect(await vm.isFrozen()).toBe(false);

      await vm.startWriter();
      await eventually(async () => (await vm.recordsWritten()) >= 5);
      const before = await vm.recordsWritten();
      await libvirt.virsh('domfsfreeze', vm.name);
      expect([await vm.isFrozen(0), await vm.isFrozen(1), await vm.isFrozenByAgent()]).toEqual([
        true,
        true,
        true,
      ]);
      // The base of a `backed` disk goes with it by its absolute path.
      const [first = '', second = ''] = await copyDisks(vm);
      await libvirt.virsh('domfsthaw', vm.name);

      const records = await recordsOn(first);
      expect(records).toBeGreaterThanOrEqual(before);
      expect(records - (await recordsOn(second))).toBeOneOf([0, 1]);
      expect(await vm.isFrozen()).toBe(false);
      await eventually(async () => (await vm.recordsWritten()) > records);
    },
  );

  it('tells a copy that was not quiesced from one that was, and its records survive the replay', async () => {
    const vm = await start('raw');
    await vm.startWriter();
    await eventually(async () => (await vm.recordsWritten()) >= 5);
    const [first = ''] = await copyDisks(vm);
    expect(await needsRecovery(first)).toBe(true);
    await expect(recordsOn(first)).rejects.toThrow('its journal has to be replayed');
    await vm.kill();
    expect(await recordsOn(vm.diskPaths[0] ?? '', { replay: true })).toBeGreaterThanOrEqual(5);
  });

  it('pauses and resumes its application by its scripts, which leave a trace', async () => {
    const vm = await start();
    await vm.startWriter(50);
    expect((await vm.exec('/usr/sbin/pre-freeze-script', 'freeze')).code).toBe(0);
    expect(await vm.isWriting()).toBe(false);
    expect((await vm.exec('/usr/sbin/post-thaw-script', 'thaw')).code).toBe(0);
    await eventually(() => vm.isWriting());
    const trace = await vm.trace();
    expect(trace.map(({ script }) => script)).toEqual(['pre-freeze-script', 'post-thaw-script']);
    expect(trace[0]?.uptimeSeconds).toBeLessThanOrEqual(trace[1]?.uptimeSeconds ?? 0);
  });

  it('fails or hangs in its scripts when it is told to', async () => {
    const vm = await start();
    await vm.tellPreFreeze({ exit: 7, output: 'the ledger is locked\n' });
    expect(await vm.exec('/usr/sbin/pre-freeze-script')).toMatchObject({
      code: 7,
      stdout: 'the ledger is locked\n',
    });
    await vm.tellPreFreeze('hang');
    expect((await vm.exec('timeout', '1', '/usr/sbin/pre-freeze-script')).code).toBe(143);
    await vm.tellPreFreeze('ok');
    expect((await vm.exec('/usr/sbin/pre-freeze-script')).code).toBe(0);
  });

  it('can thaw itself, and is seen to though the agent was not asked', async () => {
    const vm = await start();
    await vm.exec('sh', '-c', 'setsid sh -c "sleep 1; fsfreeze --unfreeze /data" > /dev/null 2>&1 &');
    await libvirt.virsh('domfsfreeze', vm.name, '--mountpoint', '/data');
    expect([await vm.isFrozen(0), await vm.isFrozen(1)]).toEqual([true, false]);
    await eventually(async () => !(await vm.isFrozen(0)));
    expect(await vm.isFrozenByAgent()).toBe(true);
    await libvirt.tryVirsh('domfsthaw', vm.name);
    expect(await vm.isFrozenByAgent()).toBe(false);
  });

  it('runs on while libvirtd is dead, and is found by the next one', async () => {
    const vm = await start();
    const [pid, daemon] = [await vm.pid(), libvirt.pid];
    await libvirt.kill();
    expect((await libvirt.tryVirsh('list')).code).not.toBe(0);
    await libvirt.restart();
    expect(libvirt.pid).not.toBe(daemon);
    expect(await vm.pid()).toBe(pid);
    // Its connection to the agent is made by and by.
    await eventually(async () => {
      const ran = await vm.exec('hostname').catch(() => undefined);
      return ran?.stdout === 'lab-guest\n';
    });
  });

  it('boots again after its power was cut, with what it had written on both disks', async () => {
    const vm = await start();
    await vm.startWriter();
    await eventually(async () => (await vm.recordsWritten()) >= 3);
    await vm.stopWriter();
    const before = await vm.recordsWritten();
    // As if it had been cut between the first disk's record and the second's.
    await vm.exec('sh', '-c', `truncate -s ${(before - 1) * 4096} /second/records && sync`);
    await vm.powerOff();
    expect(await vm.virshState()).toBe('shut off');
    await vm.boot();
    expect(await vm.recordsWritten()).toBe(before - 1);
    await vm.startWriter();
    await eventually(async () => (await vm.recordsWritten()) > before);
    await vm.stopWriter();
    await vm.powerOff();
    const counts = await Promise.all(vm.diskPaths.map((disk) => recordsOn(disk, { replay: true })));
    expect(counts[0]).toBeGreaterThan(before);
    expect(counts[1]).toBe(counts[0]);
  });
});
