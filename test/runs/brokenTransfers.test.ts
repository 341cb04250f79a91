import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { fingerprint, refusal } from '../lab/refusal.js';
import { run } from '../lab/run.js';
import { runOnTmpfs } from '../lab/tmpfs.js';
import { labTemporal } from '../lab/temporal.js';

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
  it('fails a backup by lease and one by datastore; what they hold is let go when it is back', async () => {
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
    for (const vm of ['db', 'log']) await eventually(async () => (await lab.phaseOf(vm)) === 'letting go');
    expect(await leftovers(lab)).toEqual(
      expect.arrayContaining(['snapshot "_VCB_BACKUP_" of VM "db"', 'snapshot "_VCB_BACKUP_" of VM "log"']),
    );
    await lab.vcenter.control('POST', '/outage', { on: false });
    expect(refusal(await byLease.ran)).toMatch(/transfer disk scsi0:0.*: .+\. Hint: /);
    expect(refusal(await byDatastore.ran)).toMatch(/transfer disk scsi0:0 of "log": .+\. Hint: /);
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

describe('a destination', () => {
  runOnTmpfs(
    'that gets full in mid-transfer fails the backup',
    '300m',
    () => lab,
    async (mount) => {
      const { ran } = await lab.holdDownload('/nfc', mount, () =>
        lab.backup('db', '--to', join(mount, 'db')),
      );
      // Somebody else takes what is left.
      await run('fallocate', ['-l', '1G', join(mount, 'other')], { mayFail: true });
      await run('dd', ['if=/dev/zero', `of=${join(mount, 'other')}`, 'bs=1M'], { mayFail: true });
      await lab.vcenter.control('DELETE', '/traffic');
      expect(refusal(await ran)).toMatch(
        /write \S+scsi0-0\.vmdk: the destination is full\. Hint: free room there, or name another destination/,
      );
    },
  );

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
