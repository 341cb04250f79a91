import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { fingerprint, refusal } from '../lab/refusal.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;
let small: LabDisk;
let large: LabDisk;
let backups = 0;

beforeAll(async () => {
  small = await makeDisk('small', 16, 4);
  large = await makeDisk('system', 256, 24);
  lab = await Lab.start(
    [
      { name: 'web', disks: [{ ...small, unit: 0 }] },
      { name: 'db', disks: [{ ...large, unit: 0 }] },
    ],
    labTemporal(),
  );
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  await lab.vcenter.govc('snapshot.remove', '-vm', 'web', '*');
  expect(await leftovers(lab)).toEqual([]);
});

function directory(): string {
  return join(lab.everthaw.backups, `web-${++backups}`);
}

async function snapshots(): Promise<readonly string[]> {
  return ((await lab.vcenter.vm('web')).snapshots ?? []).map(({ name }) => name);
}

/** As an administrator, or another program, takes one. */
function takeByHand(name: string): Promise<string> {
  return lab.vcenter.govc('snapshot.create', '-vm', 'web', '-m=false', name);
}

async function expectGood(to: string): Promise<void> {
  expect(await lab.diskIn(to)).toBe(await sha256(small.raw));
  await rm(to, { recursive: true });
}

describe('SNAPSHOT_POLICY', () => {
  it('manual uses the snapshot that is there, and leaves it', async () => {
    await takeByHand('_VCB_BACKUP_');
    const to = directory();
    const ran = await lab.backup('web', '--to', to, '--snapshot-policy', 'manual');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(
      /crash-consistent as of .*\n.*\n {2}snapshot snapshot-\d+ stays, as the snapshot policy says/,
    );
    expect(await snapshots()).toEqual(['_VCB_BACKUP_']);
    await expectGood(to);
  });

  it.each(['manual', 'deleteonly'])('%s refuses a VM without such a snapshot', async (policy) => {
    await takeByHand('before-upgrade');
    expect(refusal(await lab.backup('web', '--to', directory(), '--snapshot-policy', policy))).toMatch(
      new RegExp(`back up "web" with snapshot policy ${policy}: it has no snapshot _VCB_BACKUP_`),
    );
    expect(await snapshots()).toEqual(['before-upgrade']);
  });

  it('createonly leaves its snapshot, which no clean-up takes for a left-over, and deleteonly removes it', async () => {
    const first = directory();
    expect(await lab.backup('web', '--to', first, '--snapshot-policy', 'createonly')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('stays, as the snapshot policy says') as unknown,
    });
    expect(await snapshots()).toEqual(['_VCB_BACKUP_']);
    await expectGood(first);
    const cleaned = await lab.everthaw.everthaw('cleanup', '-y');
    expect(cleaned.stdout).toMatch(
      /snapshot snapshot-\d+ of VM "web".*: createonly left it there on purpose/,
    );
    expect(await snapshots()).toEqual(['_VCB_BACKUP_']);
    const second = directory();
    expect(await lab.backup('web', '--to', second, '--snapshot-policy', 'deleteonly')).toMatchObject({
      code: 0,
    });
    expect(await snapshots()).toEqual([]);
    await expectGood(second);
  });

  it('createonly lets its snapshot go when the backup fails', async () => {
    await lab.vcenter.control('POST', '/tear', { path: '/nfc', afterBytes: 100_000, count: 1 });
    refusal(await lab.backup('web', '--to', directory(), '--snapshot-policy', 'createonly'));
    expect(await snapshots()).toEqual([]);
  });

  it('deleteonly leaves the snapshot when the backup fails', async () => {
    await takeByHand('_VCB_BACKUP_');
    await lab.vcenter.control('POST', '/tear', { path: '/nfc', afterBytes: 100_000, count: 1 });
    refusal(await lab.backup('web', '--to', directory(), '--snapshot-policy', 'deleteonly'));
    expect(await snapshots()).toEqual(['_VCB_BACKUP_']);
  });
});

describe('PREEXISTING_MOUNTPOINT', () => {
  it('delete lets go of what a dead run left of the VM, and the backup goes on', async () => {
    const to = directory();
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('db', '--to', to));
    await lab.client.workflow.getHandle(await lab.runOf('db')).terminate();
    await ran;
    await lab.vcenter.control('DELETE', '/traffic');
    refusal(await lab.backup('db', '--to', to));
    expect(await lab.backup('db', '--to', to, '--preexisting-mount-point', 'delete')).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await lab.diskIn(to)).toBe(await sha256(large.raw));
  });

  it('delete refuses a destination that holds a whole backup', async () => {
    const to = directory();
    expect(await lab.backup('web', '--to', to)).toMatchObject({ code: 0 });
    const before = await fingerprint(to);
    expect(refusal(await lab.backup('web', '--to', to, '--preexisting-mount-point', 'delete'))).toMatch(
      /it exists and holds a backup/,
    );
    expect(await fingerprint(to)).toEqual(before);
    await expectGood(to);
  });
});

describe('PREEXISTING_VCB_SNAPSHOT', () => {
  it('fail refuses a VM that has a snapshot of our name', async () => {
    await takeByHand('_VCB_BACKUP_');
    expect(refusal(await lab.backup('web', '--to', directory()))).toMatch(
      /it has a snapshot _VCB_BACKUP_ already \(.*not made by Everthaw\).*--preexisting-snapshot delete/,
    );
    expect(await snapshots()).toEqual(['_VCB_BACKUP_']);
  });

  it('delete removes that snapshot, whoever made it, and no other', async () => {
    await takeByHand('before-upgrade');
    await takeByHand('_VCB_BACKUP_');
    const to = directory();
    expect(await lab.backup('web', '--to', to, '--preexisting-snapshot', 'delete')).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await snapshots()).toEqual(['before-upgrade']);
    await expectGood(to);
  });

  it('delete fails the backup where that snapshot cannot be removed', async () => {
    await takeByHand('_VCB_BACKUP_');
    await lab.vcenter.fault({
      method: 'RemoveSnapshot_Task',
      fault: 'TaskInProgress',
      inTask: true,
      count: 1,
    });
    const to = directory();
    expect(refusal(await lab.backup('web', '--to', to, '--preexisting-snapshot', 'delete'))).toMatch(
      /TaskInProgress/,
    );
    expect(await snapshots()).toEqual(['_VCB_BACKUP_']);
    await expect(access(to)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
