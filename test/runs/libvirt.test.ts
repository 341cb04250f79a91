import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { LabGuest, type LabGuestOptions } from '../lab/guest.js';
import { GuestLab } from '../lab/guestLab.js';
import { recordsOn } from '../lab/records.js';
import { run } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

let lab: GuestLab;
const guests: LabGuest[] = [];

beforeAll(async () => {
  lab = await GuestLab.start(labTemporal());
}, 300_000);

afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.destroy();
});

afterAll(async () => {
  await lab.stop();
});

async function start(options: LabGuestOptions): Promise<LabGuest> {
  const guest = await LabGuest.start(lab.libvirt, options);
  guests.push(guest);
  return guest;
}

async function manifestOf(directory: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
}

/** Records on the two disks of a backup, each found whole by fsck without a replay of its journal. */
async function recordsIn(directory: string): Promise<readonly number[]> {
  const { disks } = await manifestOf(directory);
  return Promise.all(disks.map(({ file }) => recordsOn(join(directory, file))));
}

describe('a backup of a running guest that writes', () => {
  for (const format of ['raw', 'qcow2', 'backed'] as const) {
    it(`is one point in time of both disks, with nothing left over, on ${format} disks`, async () => {
      const guest = await start({ name: `writes-${format}`, format });
      await guest.startWriter();
      const before = await guest.recordsWritten();
      const backup = await lab.backup(guest.name, '--json');
      expect(backup).toMatchObject({ code: 0, stderr: '' });
      const directory = lab.directoryOf(guest.name);
      const [first = 0, second = 0] = await recordsIn(directory);
      expect(first).toBeGreaterThan(before);
      // Paused by its script, the application has written both or neither.
      expect(second).toBe(first);
      expect((await manifestOf(directory)).consistency).toBe('application');
      expect((await guest.trace()).map(({ script }) => script)).toEqual([
        'pre-freeze-script',
        'post-thaw-script',
      ]);
      expect(await guest.isWriting()).toBe(true);
      await guest.stopWriter();
      expect(await lab.leftovers(guest)).toEqual([]);
    });
  }

  it('by an external snapshot too, which is committed again', async () => {
    const guest = await start({ name: 'overlay' });
    await guest.startWriter(50);
    const backup = await lab.backup(guest.name, '--point-in-time', 'overlay');
    expect(backup).toMatchObject({ code: 0, stderr: '' });
    const [first, second] = await recordsIn(lab.directoryOf(guest.name));
    expect(second).toBe(first);
    await guest.stopWriter();
    expect(await lab.leftovers(guest)).toEqual([]);
  });

  it('is made by a job, too', async () => {
    const guest = await start({ name: 'by-job' });
    await guest.startWriter();
    const config = join(lab.everthaw.directory, 'jobs.yaml');
    const root = lab.everthaw.backups;
    await writeFile(config, JSON.stringify({ jobs: { guests: { vms: ['pattern:by-*'], root } } }));
    const jobs = (...words: readonly string[]) =>
      lab.everthaw.everthawWith({ EVERTHAW_CONFIG: config }, 'jobs', ...words);
    expect(await jobs('apply', '--yes')).toMatchObject({ code: 0, stderr: '' });
    expect(await jobs('run', 'guests')).toMatchObject({ code: 0, stderr: '' });
    const [point = ''] = (await readdir(root)).filter((name) => name.startsWith('by-job-fullVM-'));
    const [first, second] = await recordsIn(join(root, point));
    expect(second).toBe(first);
    await guest.stopWriter();
    await writeFile(config, '');
    expect(await jobs('apply', '--yes')).toMatchObject({ code: 0 });
    expect(await lab.leftovers(guest)).toEqual([]);
  });

  it('leaves its point in time with createonly, and a later run takes it from there and removes it', async () => {
    const guest = await start({ name: 'policy' });
    await guest.startWriter(20);
    const [first, second] = [join(lab.everthaw.backups, 'first'), join(lab.everthaw.backups, 'second')];
    expect(await lab.backup('policy', '--to', first, '--snapshot-policy', 'createonly')).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await lab.everthaw.everthaw('cleanup', '-y')).stdout).toMatch(
      /createonly left it there on purpose/,
    );
    expect(await lab.backup('policy', '--to', second, '--snapshot-policy', 'deleteonly')).toMatchObject({
      code: 0,
      stderr: '',
    });
    for (const { file } of (await manifestOf(first)).disks)
      await run('qemu-img', ['compare', join(first, file), join(second, file)]);
    await guest.stopWriter();
    expect(await lab.leftovers(guest)).toEqual([]);
  });

  for (const format of ['vmdk', 'raw'] as const) {
    it(`keeps its disks as ${format} where that is asked for, and they restore`, async () => {
      const guest = await start({ name: `kept-${format}` });
      await guest.startWriter(20);
      expect(await lab.backup(guest.name, '--disk-format', format)).toMatchObject({ code: 0, stderr: '' });
      const directory = lab.directoryOf(guest.name);
      expect((await manifestOf(directory)).disks.map(({ file }) => file)).toEqual([
        `virtio0-0.${format}`,
        `virtio0-1.${format}`,
      ]);
      const [records] = await recordsIn(directory);
      const copy = `copy-${format}`;
      expect(await lab.restore(directory, '--name', copy)).toMatchObject({ code: 0, stderr: '' });
      const restored = await lab.disksOf(copy);
      expect(await Promise.all(restored.map((disk) => recordsOn(disk)))).toEqual([records, records]);
      await lab.libvirt.virsh('undefine', copy);
    });
  }
});

describe('a backup of a guest that is off', () => {
  it('restores to the same bytes', async () => {
    const guest = await start({ name: 'off' });
    await guest.powerOff();
    const backup = await lab.backup(guest.name);
    expect(backup).toMatchObject({ code: 0, stderr: '' });
    const directory = lab.directoryOf(guest.name);
    const { disks } = await manifestOf(directory);
    for (const [index, { file }] of disks.entries())
      await run('qemu-img', ['compare', join(directory, file), guest.diskPaths[index] ?? '']);
    expect(await lab.leftovers(guest)).toEqual([]);
  });
});

describe('a restore', () => {
  it('gives back a VM that was destroyed, with its identity, and it boots and works', async () => {
    const guest = await start({ name: 'lost', format: ['raw', 'qcow2'] });
    await guest.startWriter();
    expect(await lab.backup(guest.name)).toMatchObject({ code: 0 });
    const directory = lab.directoryOf(guest.name);
    const [records] = await recordsIn(directory);
    const { uuid, name } = guest;
    const storage = dirname(guest.diskPaths[0] ?? '');
    await lab.libvirt.virsh('destroy', name);
    await lab.libvirt.virsh('undefine', name);
    await run('find', [storage, '-type', 'f', '-delete']);
    const restore = await lab.restore(directory, '--power-on');
    expect(restore).toMatchObject({ code: 0, stderr: '' });
    expect((await lab.libvirt.virsh('domuuid', name)).trim()).toBe(uuid);
    await guest.untilItAnswers();
    await guest.startWriter();
    expect(await guest.recordsWritten()).toBeGreaterThanOrEqual(records ?? Infinity);
    expect(await lab.leftovers()).toEqual([]);
  });

  it('puts a copy beside its original, with an identity and addresses of its own, elsewhere', async () => {
    const guest = await start({ name: 'original' });
    expect(await lab.backup(guest.name)).toMatchObject({ code: 0 });
    const elsewhere = join(lab.everthaw.directory, 'elsewhere');
    await run('mkdir', [elsewhere]);
    const restore = await lab.restore(
      lab.directoryOf(guest.name),
      ...['--name', 'copy', '--storage', elsewhere, '--new-addresses', '--power-on'],
    );
    expect(restore).toMatchObject({ code: 0, stderr: '' });
    const xml = await lab.libvirt.virsh('dumpxml', 'copy');
    expect(xml).not.toContain(guest.uuid);
    expect(xml).toContain(elsewhere);
    expect((await lab.libvirt.virsh('domstate', 'copy')).trim()).toBe('running');
    expect(await guest.virshState()).toBe('running');
    expect(await lab.leftovers(guest)).toEqual([]);
    await lab.libvirt.virsh('destroy', 'copy');
    await lab.libvirt.virsh('undefine', 'copy');
  });

  it('goes to the directory that an edited catalog names, with the same bytes', async () => {
    const guest = await start({ name: 'catalogued' });
    await guest.powerOff();
    expect(await lab.backup(guest.name)).toMatchObject({ code: 0, stderr: '' });
    const directory = lab.directoryOf(guest.name);
    const elsewhere = join(lab.everthaw.directory, 'by-catalog');
    await run('mkdir', [elsewhere]);
    const catalog = join(lab.everthaw.directory, 'catalog');
    const text = await readFile(join(directory, 'catalog'), 'utf8');
    await writeFile(catalog, text.replaceAll(`diskname= "${guest.directory}`, `diskname= "${elsewhere}`));
    const restore = await lab.restore(directory, '--catalog', catalog, '--name', 'catalogued-2');
    expect(restore).toMatchObject({ code: 0, stderr: '' });
    const restored = await lab.disksOf('catalogued-2');
    const { disks } = await manifestOf(directory);
    for (const [index, { file }] of disks.entries()) {
      expect(restored[index]).toContain(`${elsewhere}/`);
      await run('qemu-img', ['compare', join(directory, file), restored[index] ?? '']);
    }
    await lab.libvirt.virsh('undefine', 'catalogued-2');
  });

  it('replaces a VM that is off only when the new one is whole', async () => {
    const guest = await start({ name: 'replaced' });
    expect(await lab.backup(guest.name)).toMatchObject({ code: 0 });
    const directory = lab.directoryOf(guest.name);
    expect(await lab.restore(directory)).toMatchObject({ code: 1 });
    await guest.powerOff();
    const restore = await lab.restore(directory, '--overwrite');
    expect(restore).toMatchObject({ code: 0, stderr: '' });
    expect((await lab.libvirt.virsh('domuuid', guest.name)).trim()).toBe(guest.uuid);
    const restored = await guest.activeDisks();
    const { disks } = await manifestOf(directory);
    for (const [index, { file }] of disks.entries())
      await run('qemu-img', ['compare', join(directory, file), restored[index] ?? '']);
    expect(await lab.leftovers()).toEqual([]);
  });
});

describe('a guest that cannot be quiesced', () => {
  it('gets no snapshot when its pre-freeze script fails, and its application goes on', async () => {
    const guest = await start({ name: 'unready' });
    await guest.tellPreFreeze({ exit: 3, output: 'the database is in recovery' });
    const backup = await lab.backup(guest.name);
    expect(backup.code).toBe(1);
    expect(backup.stderr).toContain('ended with 3');
    expect(backup.stderr).toContain('the database is in recovery');
    expect((await guest.trace()).map(({ script }) => script)).toContain('post-thaw-script');
    expect(await lab.leftovers(guest)).toEqual([]);
  });

  it('is backed up with a warning when its post-thaw script fails', async () => {
    const guest = await start({ name: 'sleepy' });
    await guest.tellPostThaw({ exit: 4, output: 'could not resume' });
    const backup = await lab.backup(guest.name);
    expect(backup.code).toBe(0);
    expect(backup.stdout).toContain('post-thaw script ended with 4 (could not resume)');
    expect(await lab.leftovers(guest)).toEqual([]);
  });

  it('is crash-consistent without quiescing, and says so', async () => {
    const guest = await start({ name: 'unquiesced' });
    await guest.startWriter();
    expect(await lab.backup(guest.name, '--quiesce', 'none')).toMatchObject({ code: 0 });
    const directory = lab.directoryOf(guest.name);
    const { consistency, disks } = await manifestOf(directory);
    expect(consistency).toBe('crash');
    await recordsOn(join(directory, disks[0]?.file ?? ''), { replay: true });
    expect(await guest.trace()).toEqual([]);
  });
});
