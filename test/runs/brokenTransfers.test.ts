import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { fingerprint, refusal } from '../lab/refusal.js';
import { labTemporal } from '../lab/temporal.js';

const MIB = 1024 * 1024;

let lab: Lab;
let system: LabDisk;
let data: LabDisk;
/** A backup that was there before, which nothing here may touch. */
let older: readonly string[];

beforeAll(async () => {
  system = await makeDisk('system', 256, 24);
  data = await makeDisk('data', 64, 8);
  lab = await Lab.start(
    [
      { name: 'db', disks: [{ ...system, unit: 0 }] },
      { name: 'log', disks: [{ ...data, unit: 0 }] },
      { name: 'doomed', disks: [{ ...system, unit: 0 }] },
    ],
    labTemporal(),
  );
  expect(await lab.backup('db', '--to', olderDirectory())).toMatchObject({ code: 0, stderr: '' });
  older = await fingerprint(olderDirectory());
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  expect(await leftovers(lab)).toEqual([]);
  expect(await fingerprint(olderDirectory())).toEqual(older);
});

function olderDirectory(): string {
  return join(lab.everthaw.backups, 'older');
}

describe('a torn stream of an export lease', () => {
  it('fails the backup when its connection is reset', async () => {
    await lab.vcenter.control('POST', '/tear', { path: '/nfc', afterBytes: 5_000_000, count: 1 });
    expect(refusal(await lab.backup('db'))).toMatch(
      /transfer disk scsi0:0: .*connection broke in mid-transfer.* \(curl: \(56\).*\)\. Hint: .*run it again/,
    );
  });

  it('fails the backup when it ends early as if it were whole', async () => {
    await lab.vcenter.control('POST', '/tear', {
      path: '/nfc',
      afterBytes: 5_000_000,
      count: 1,
      mode: 'clean',
    });
    expect(refusal(await lab.backup('db'))).toMatch(
      /check the stream of disk scsi0:0 of "db": its end is missing\. Hint: .*run it again/,
    );
  });

  it('fails the backup when nothing of it comes', async () => {
    await lab.vcenter.control('POST', '/tear', { path: '/nfc', afterBytes: 0, count: 1, mode: 'clean' });
    expect(refusal(await lab.backup('db'))).toMatch(
      /check the stream of disk scsi0:0 of "db": it does not begin as a VMDK\. Hint: /,
    );
  });

  it('is read anew with --retries, to the same bytes', async () => {
    await lab.vcenter.control('POST', '/tear', { path: '/nfc', afterBytes: 5_000_000, count: 1 });
    const directory = join(lab.everthaw.backups, 'retried');
    expect(await lab.backup('db', '--to', directory, '--retries', '1', '--backoff', '0')).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await lab.diskIn(directory)).toBe(await sha256(system.raw));
  });
});

describe('a torn connection to the datastore', () => {
  // The first of these transfers is the disk's descriptor, which is too short to be torn.
  const TEAR = { path: '/folder', afterBytes: 3_000_000 };

  it('is healed once, to the same bytes', async () => {
    await lab.vcenter.control('POST', '/tear', { ...TEAR, count: 2 });
    const directory = join(lab.everthaw.backups, 'healed');
    const ran = await lab.backup('log', '--to', directory, '--transport', 'nbdssl:datastore');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.diskIn(directory)).toBe(await sha256(data.raw));
  });

  it('fails the backup when it is torn again and again', async () => {
    await lab.vcenter.control('POST', '/tear', { ...TEAR, count: 1000 });
    expect(refusal(await lab.backup('log', '--transport', 'nbdssl:datastore'))).toMatch(
      /transfer disk scsi0:0 of "log": .*\(nbdkit: .*Connection reset by peer\)\. Hint: .*again/,
    );
  });
});

describe('a server that is gone in mid-transfer', () => {
  it('is waited for by a backup by lease and one by datastore, and both succeed', async () => {
    const to = [
      join(lab.everthaw.directory, 'to-lease'),
      join(lab.everthaw.directory, 'to-datastore'),
    ] as const;
    for (const each of to) await mkdir(each);
    const byLease = await lab.holdDownload('/nfc', to[0], () => lab.backup('db', '--to', join(to[0], 'db')));
    const byDatastore = await lab.holdDownload('/folder', to[1], () =>
      lab.backup('log', '--to', join(to[1], 'log'), '--transport', 'nbdssl:datastore'),
    );
    await lab.vcenter.control('POST', '/outage', { on: true });
    for (const vm of ['db', 'log'])
      await eventually(async () => (await lab.troubleOf(vm)).includes('can be reached on this port'));
    await lab.vcenter.control('POST', '/outage', { on: false });
    await lab.vcenter.control('DELETE', '/traffic');
    expect(await byLease.ran).toMatchObject({ code: 0, stderr: '' });
    expect(await byDatastore.ran).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.diskIn(join(to[0], 'db'))).toBe(await sha256(system.raw));
    expect(await lab.diskIn(join(to[1], 'log'))).toBe(await sha256(data.raw));
  });

  it('for longer than the snapshot may stand ends the backup, which lets go when it is back', async () => {
    const aged = lab.everthaw.withEnvironment({
      ...lab.everthaw.environment,
      EVERTHAW_MAXIMUM_SNAPSHOT_AGE_S: '6',
    });
    const { ran } = await lab.holdDownload('/folder', lab.everthaw.backups, () =>
      aged.everthaw('backup', 'db', '--root', aged.backups, '--transport', 'nbdssl:datastore'),
    );
    await lab.vcenter.control('POST', '/outage', { on: true });
    await eventually(async () => (await lab.phaseOf('db')) === 'letting go');
    expect(await leftovers(lab)).toContain('snapshot "_VCB_BACKUP_" of VM "db"');
    await lab.vcenter.control('POST', '/outage', { on: false });
    expect(refusal(await ran)).toMatch(/the snapshot reached its maximum age/);
  });
});

describe('a VM that is destroyed in mid-transfer', () => {
  it('fails its backup, which does not wait for its snapshot to be removed', async () => {
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('doomed'));
    await lab.vcenter.govc('vm.power', '-off', '-force', 'doomed');
    await lab.vcenter.govc('vm.destroy', 'doomed');
    await lab.vcenter.control('DELETE', '/traffic');
    expect(await ran).toMatchObject({ code: 1 });
  });
});

describe('a datastore that fills up', () => {
  const room = (freeBytes: number): Promise<void> =>
    lab.vcenter.control('POST', '/datastores/LocalDS_0/room', { freeBytes });

  afterEach(() => room(1024 ** 4));

  it('refuses the backup of a VM whose snapshot would grow on it', async () => {
    await room(1000 * MIB);
    expect(refusal(await lab.backup('db'))).toMatch(
      /back up "db": datastore "LocalDS_0" has 1000 MiB left, below the floor of 1\.0 GiB.*EVERTHAW_DATASTORE_FLOOR_MIB/,
    );
  });

  it.each(['nbdssl:lease', 'nbdssl:datastore'])(
    'ends a backup by %s that is under way',
    async (transport) => {
      const path = transport === 'nbdssl:lease' ? '/nfc' : '/folder';
      const { ran } = await lab.holdDownload(path, lab.everthaw.backups, () =>
        lab.backup('db', '--transport', transport),
      );
      await room(10 * MIB);
      expect(refusal(await ran)).toMatch(/datastore "LocalDS_0" has 10 MiB left/);
    },
  );
});

describe('a destination', () => {
  it('that somebody put something into meanwhile is not overwritten', async () => {
    const directory = lab.directoryOf('db');
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('db'));
    await mkdir(directory);
    await writeFile(join(directory, 'notes.txt'), 'mine');
    const before = await fingerprint(directory);
    await lab.vcenter.control('DELETE', '/traffic');
    expect(refusal(await ran)).toMatch(/back up to ".*\/db-fullVM": .*\. Hint: name another directory/);
    expect(await fingerprint(directory)).toEqual(before);
    await rm(directory, { recursive: true });
  });
});
