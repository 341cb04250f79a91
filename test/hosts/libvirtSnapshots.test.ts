import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LibvirtGuest } from '../../src/hosts/libvirt/guest/libvirtGuest.js';
import {
  commitSnapshot,
  listAllSnapshots,
  listSnapshots,
  snapshotAbsence,
} from '../../src/hosts/libvirt/snapshot/snapshots.js';
import { LabGuest, type LabGuestOptions } from '../lab/guest.js';
import { LabLibvirt } from '../lab/libvirt.js';
import { recordsOn } from '../lab/records.js';
import { run } from '../lab/run.js';
import { closeDrivers, driverOn, newRunId, NEVER, recordsOf, take, traces } from './libvirtDriver.js';

let lab: LabLibvirt;
let guest: LabGuest | undefined;
let guestFormat: LabGuestOptions['format'];

beforeAll(async () => {
  lab = await LabLibvirt.start();
}, 300_000);

afterAll(async () => {
  await closeDrivers();
  await lab.stop();
});

/** A guest that runs: the one of the test before where that left it as it was. */
async function start(format: LabGuestOptions['format'] = 'qcow2'): Promise<LabGuest> {
  const isLikeNew =
    guest !== undefined &&
    String(guestFormat) === String(format) &&
    (await guest.virshState()) === 'running' &&
    (await traces(guest)).length === 0;
  if (guest !== undefined && isLikeNew) return guest;
  await guest?.destroy();
  guest = undefined;
  guestFormat = format;
  return (guest = await LabGuest.start(lab, { name: 'held', format }));
}

const ANY = () => true;

for (const pointInTime of ['pull', 'overlay'] as const) {
  describe(`a point in time by ${pointInTime}`, () => {
    for (const format of [['qcow2', 'raw'], 'backed'] as const) {
      it(`is one moment of both disks of a guest that writes (${String(format)}), and leaves nothing`, async () => {
        const vm = await start(format);
        const driver = driverOn(lab, { pointInTime });
        await vm.startWriter();
        const before = await vm.recordsWritten();
        const taken = await take(driver, vm);
        const after = await vm.recordsWritten();
        expect(taken.warnings).toEqual([]);
        expect(taken.snapshot).toMatchObject({ quiesced: true, complete: true });
        expect(taken.frozenAtMostMs).toBeGreaterThan(0);
        const [first = 0, second = 0] = await recordsOf(driver, vm, taken);
        expect(second).toBeGreaterThanOrEqual(before);
        expect(first).toBeLessThanOrEqual(after + 1);
        expect([0, 1]).toContain(first - second);
        await commitSnapshot(driver, vm.uuid, taken.snapshot.id);
        expect(await vm.isWriting()).toBe(true);
        await vm.stopWriter();
        expect(await traces(vm)).toEqual([]);
        // What was written meanwhile is in the VM's own disks, each still above what it was above.
        const written = await vm.recordsWritten();
        await vm.powerOff();
        await expect(recordsOfDisk(vm, 0)).resolves.toBe(written);
        await expect(recordsOfDisk(vm, 1)).resolves.toBe(written);
        if (format === 'backed') expect(await backingOf(vm.diskPaths[0])).toBe(join(vm.directory, 'vda.raw'));
      });
    }

    it('is listed by whoever asks, and gone only when nothing of it is there', async () => {
      const vm = await start();
      const driver = driverOn(lab, { pointInTime });
      expect(await snapshotAbsence(driver, vm.uuid, ANY)).toEqual({ state: 'gone' });
      const { snapshot } = await take(driver, vm, { name: 'listed', quiesce: false });
      const other = driverOn(lab);
      expect(snapshot.quiesced).toBe(false);
      expect(await listSnapshots(other, vm.uuid)).toEqual([snapshot]);
      expect(await listAllSnapshots(other, 'listed')).toEqual([
        { vmUuid: vm.uuid, vmName: vm.name, snapshot },
      ]);
      expect(await listAllSnapshots(other, 'another')).toEqual([]);
      expect(await snapshotAbsence(other, vm.uuid, ANY)).toMatchObject({ state: 'present' });
      expect(await snapshotAbsence(other, vm.uuid, () => false)).toEqual({ state: 'gone' });
      await commitSnapshot(other, vm.uuid, snapshot.id);
      expect(await snapshotAbsence(driver, vm.uuid, ANY)).toEqual({ state: 'gone' });
      // Removing what is gone is no error.
      await commitSnapshot(driver, vm.uuid, snapshot.id);
      expect(await traces(vm)).toEqual([]);
    });

    it('is taken once by a run, and refused to another while it is there', async () => {
      const vm = await start();
      const driver = driverOn(lab, { pointInTime });
      const runId = 'one-run';
      const { snapshot } = await take(driver, vm, { runId });
      expect(await take(driver, vm, { runId })).toMatchObject({ snapshot });
      await expect(take(driver, vm)).rejects.toMatchObject({ code: 'ResourceBusy' });
      expect(await listSnapshots(driver, vm.uuid)).toEqual([snapshot]);
      await commitSnapshot(driver, vm.uuid, snapshot.id);
      expect(await traces(vm)).toEqual([]);
    });

    it('is let go after the VM was killed on it', async () => {
      const vm = await start(['raw', 'qcow2']);
      const driver = driverOn(lab, { pointInTime });
      const { snapshot } = await take(driver, vm);
      await vm.startWriter();
      await vm.stopWriter();
      const written = await vm.recordsWritten();
      await vm.kill();
      await commitSnapshot(driver, vm.uuid, snapshot.id);
      expect(await vm.virshState()).toBe('shut off');
      expect(await traces(vm)).toEqual([]);
      await expect(recordsOfDisk(vm, 0)).resolves.toBe(written);
    });

    it('is let go when libvirtd was killed and came back', async () => {
      const vm = await start();
      const driver = driverOn(lab, { pointInTime });
      const written = await vm.recordsWritten();
      const taken = await take(driver, vm);
      await lab.kill();
      await expect(commitSnapshot(driver, vm.uuid, taken.snapshot.id)).rejects.toMatchObject({
        code: 'HostUnreachable',
      });
      await lab.restart();
      await expect(recordsOf(driver, vm, taken)).resolves.toEqual([written, written]);
      await commitSnapshot(driver, vm.uuid, taken.snapshot.id);
      expect(await traces(vm)).toEqual([]);
    });
  });
}

describe('a VM that is off', () => {
  it('can be started and used while it is read, and keeps what it writes', async () => {
    const vm = await start(['raw', 'backed']);
    await vm.startWriter();
    await vm.stopWriter();
    const before = await vm.recordsWritten();
    await vm.powerOff();
    const driver = driverOn(lab);
    const taken = await take(driver, vm, { quiesce: false });
    // It was not shut down in an orderly way.
    expect(taken.snapshot.quiesced).toBe(false);
    await vm.boot();
    await vm.startWriter();
    await expect(recordsOf(driver, vm, taken, { replay: true })).resolves.toEqual([before, before]);
    await commitSnapshot(driver, vm.uuid, taken.snapshot.id);
    await vm.stopWriter();
    expect(await traces(vm)).toEqual([]);
    const after = await vm.recordsWritten();
    expect(after).toBeGreaterThan(before);
    await vm.powerOff();
    await expect(recordsOfDisk(vm, 0)).resolves.toBe(after);
  });

  it('counts as quiesced when its own system shut it down', async () => {
    const vm = await start();
    await vm.libvirt.virsh('shutdown', vm.name, '--mode', 'agent');
    await expect.poll(() => vm.virshState(), { timeout: 30_000 }).toBe('shut off');
    const driver = driverOn(lab);
    const taken = await take(driver, vm, { quiesce: false });
    expect(taken).toMatchObject({ snapshot: { quiesced: true }, warnings: [], frozenAtMostMs: 0 });
    await commitSnapshot(driver, vm.uuid, taken.snapshot.id);
    expect(await traces(vm)).toEqual([]);
  });
});

describe('what is held in another place than the settings say', () => {
  const places = async (): Promise<string> => {
    const scratchDirectory = join(lab.directory, 'elsewhere');
    await mkdir(scratchDirectory, { recursive: true });
    return scratchDirectory;
  };
  const forgetLinks = (): Promise<void> =>
    rm(
      join(process.env['XDG_STATE_HOME'] ?? '', 'everthaw/holds', lab.uri.replaceAll(/[^A-Za-z0-9]/g, '_')),
      { recursive: true },
    );

  for (const pointInTime of ['pull', 'overlay'] as const) {
    it(`is found by what uses it, without any note of it elsewhere (${pointInTime})`, async () => {
      const vm = await start();
      const scratchDirectory = await places();
      const { snapshot } = await take(driverOn(lab, { pointInTime, scratchDirectory }), vm, { name: 'far' });
      expect(snapshot.id).toContain(scratchDirectory);
      await forgetLinks();
      const other = driverOn(lab);
      expect(await listSnapshots(other, vm.uuid)).toEqual([snapshot]);
      expect(await listAllSnapshots(other, 'far')).toMatchObject([{ snapshot }]);
      expect(await snapshotAbsence(other, vm.uuid, ANY)).toMatchObject({ state: 'present' });
      await commitSnapshot(other, vm.uuid, snapshot.id);
      expect(await snapshotAbsence(other, vm.uuid, ANY)).toEqual({ state: 'gone' });
      expect(await readdir(scratchDirectory)).toEqual([]);
      expect(await traces(vm)).toEqual([]);
    });
  }

  it('is found by a note of it where nothing uses it: a paused application', async () => {
    const vm = await start();
    const scratchDirectory = await places();
    const asked = { runId: newRunId(), description: 'far' };
    await new LibvirtGuest(driverOn(lab, { scratchDirectory })).pauseApplication(vm.uuid, asked, NEVER);
    const guest = new LibvirtGuest(driverOn(lab));
    expect(await guest.debts()).toMatchObject([{ kind: 'pausedApplication', description: 'far' }]);
    expect(await guest.resumeApplication(vm.uuid, asked.runId)).toMatchObject({ exitCode: 0 });
    expect(await guest.debts()).toEqual([]);
    expect(await readdir(scratchDirectory)).toEqual([]);
  });

  it('is committed into the disks of a VM that is not defined any more', async () => {
    const vm = await start(['raw', 'qcow2']);
    const driver = driverOn(lab, { pointInTime: 'overlay' });
    const { snapshot } = await take(driver, vm);
    await vm.startWriter();
    await vm.stopWriter();
    const written = await vm.recordsWritten();
    const xml = await lab.virsh('dumpxml', vm.name, '--inactive');
    await vm.powerOff();
    await lab.virsh('undefine', vm.name);
    expect(await snapshotAbsence(driver, vm.uuid, ANY)).toMatchObject({ state: 'present' });
    expect(await listSnapshots(driver, vm.uuid)).toEqual([snapshot]);
    await commitSnapshot(driver, vm.uuid, snapshot.id);
    expect(await snapshotAbsence(driver, vm.uuid, ANY)).toEqual({ state: 'gone' });
    const definition = join(vm.directory, 'again.xml');
    await writeFile(
      definition,
      xml.replaceAll(
        /source file='[^']*\/(vd.)\.overlay'/g,
        (_, target: string) => `source file='${vm.diskPaths[target === 'vda' ? 0 : 1]}'`,
      ),
    );
    await lab.virsh('define', definition);
    expect(await readdir(vm.directory)).not.toContainEqual(expect.stringContaining('.everthaw-'));
    await expect(recordsOfDisk(vm, 0)).resolves.toBe(written);
    await expect(recordsOfDisk(vm, 1)).resolves.toBe(written);
  });

  it('is nobody’s where it is a copy, which came along with disks', async () => {
    const vm = await start();
    const driver = driverOn(lab);
    const { snapshot } = await take(driver, vm);
    const copies = join(lab.directory, 'copies');
    const copy = join(copies, basename(snapshot.id));
    await mkdir(copies);
    await run('cp', ['-r', snapshot.id, copies]);
    await run('chmod', ['711', copy]);
    const other = driverOn(lab, { scratchDirectory: copies });
    expect(await listSnapshots(other, vm.uuid)).toEqual([snapshot]);
    await commitSnapshot(other, vm.uuid, copy);
    await commitSnapshot(other, vm.uuid, snapshot.id);
    expect(await snapshotAbsence(other, vm.uuid, ANY)).toEqual({ state: 'gone' });
    expect(await readdir(copy)).toContain('owner.json');
    expect(await traces(vm)).toEqual([]);
  });
});

describe('what others do to the VM', () => {
  it('a backup job of theirs is named at once, and goes on', async () => {
    const vm = await start();
    const driver = driverOn(lab);
    const foreign = join(vm.directory, 'foreign.xml');
    await writeFile(
      foreign,
      `<domainbackup mode='pull'><server transport='unix' socket='${vm.directory}/s'/></domainbackup>`,
    );
    await vm.libvirt.virsh('backup-begin', vm.name, foreign);
    const before = Date.now();
    await expect(take(driver, vm)).rejects.toMatchObject({ code: 'ResourceBusy' });
    expect(Date.now() - before).toBeLessThan(10_000);
    expect(await listSnapshots(driver, vm.uuid)).toEqual([]);
    expect(await vm.libvirt.virsh('backup-dumpxml', vm.name)).toContain(`${vm.directory}/s`);
    await vm.libvirt.virsh('domjobabort', vm.name);
  });

  it('a backup job of theirs after ours has ended is not touched by its release', async () => {
    const vm = await start();
    const driver = driverOn(lab);
    const { snapshot } = await take(driver, vm);
    await vm.libvirt.virsh('domjobabort', vm.name);
    await expect
      .poll(async () => (await vm.libvirt.tryVirsh('backup-dumpxml', vm.name)).code, { timeout: 10_000 })
      .toBe(1);
    const foreign = join(vm.directory, 'foreign.xml');
    await writeFile(
      foreign,
      `<domainbackup mode='pull'><server transport='unix' socket='${vm.directory}/s'/></domainbackup>`,
    );
    await vm.libvirt.virsh('backup-begin', vm.name, foreign);
    await commitSnapshot(driver, vm.uuid, snapshot.id);
    expect(await vm.libvirt.virsh('backup-dumpxml', vm.name)).toContain(`${vm.directory}/s`);
    await vm.libvirt.virsh('domjobabort', vm.name);
  });

  it('saved memory goes with the disks as they are: nothing is taken', async () => {
    const vm = await start();
    await vm.libvirt.virsh('managedsave', vm.name);
    await expect(take(driverOn(lab), vm, { quiesce: false })).rejects.toMatchObject({ code: 'VmInUse' });
    await vm.libvirt.virsh('start', vm.name);
    expect(await traces(vm)).toEqual([]);
  });

  it('a record that another version wrote is told, and nothing is guessed', async () => {
    const vm = await start();
    const driver = driverOn(lab);
    const { snapshot } = await take(driver, vm, { quiesce: false });
    const plan = join(snapshot.id, 'plan.json');
    const written = await readFile(plan);
    await writeFile(plan, '{"mode":"of the future"}');
    expect(await listSnapshots(driver, vm.uuid)).toMatchObject([{ id: snapshot.id, complete: false }]);
    await expect(commitSnapshot(driver, vm.uuid, snapshot.id)).rejects.toMatchObject({ code: 'HostFault' });
    expect(await vm.libvirt.virsh('backup-dumpxml', vm.name)).toContain(snapshot.id);
    await writeFile(plan, written);
    await commitSnapshot(driver, vm.uuid, snapshot.id);
    expect(await traces(vm)).toEqual([]);
  });

  it('a snapshot of theirs above our overlay stays', async () => {
    const vm = await start();
    const driver = driverOn(lab, { pointInTime: 'overlay' });
    const { snapshot } = await take(driver, vm);
    const theirs = join(dirname(vm.diskPaths[0] ?? ''), 'theirs');
    await vm.libvirt.virsh(
      ...['snapshot-create-as', vm.name, '--disk-only', '--no-metadata'],
      ...['--diskspec', `vda,file=${theirs}`, '--diskspec', 'vdb,snapshot=no'],
    );
    await vm.startWriter();
    await commitSnapshot(driver, vm.uuid, snapshot.id);
    await vm.stopWriter();
    expect(await vm.activeDisks()).toEqual([theirs, vm.diskPaths[1]]);
    expect(await backingOf(theirs)).toBe(vm.diskPaths[0]);
    expect(await snapshotAbsence(driver, vm.uuid, ANY)).toEqual({ state: 'gone' });
  });
});

async function recordsOfDisk(vm: LabGuest, index: number): Promise<number> {
  return recordsOn(vm.diskPaths[index] ?? '', { replay: true });
}

async function backingOf(image = ''): Promise<string | undefined> {
  const { stdout } = await run('qemu-img', ['info', '-U', '--output=json', image]);
  return (JSON.parse(stdout) as { 'full-backing-filename'?: string })['full-backing-filename'];
}
