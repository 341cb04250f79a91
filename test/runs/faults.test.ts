import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { LabEverthaw } from '../lab/everthaw.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { refusal } from '../lab/refusal.js';
import type { Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;
let system: LabDisk;
let data: LabDisk;
let backups = 0;

beforeAll(async () => {
  system = await makeDisk('system', 256, 24);
  data = await makeDisk('data', 64, 8);
  const small = await makeDisk('small', 16, 4);
  lab = await Lab.start(
    [
      { name: 'db', disks: [{ ...system, unit: 0 }] },
      { name: 'log', disks: [{ ...data, unit: 0 }] },
      { name: 'web', disks: [{ ...small, unit: 0 }] },
    ],
    labTemporal(),
  );
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  expect(await leftovers(lab)).toEqual([]);
});

/** Backs "web" up to a directory of its own. */
async function backup(...flags: readonly string[]): Promise<Ran & { readonly directory: string }> {
  const directory = join(lab.everthaw.backups, `web-${++backups}`);
  return { directory, ...(await lab.backup('web', '--to', directory, ...flags)) };
}

function resultOf(ran: Ran): { readonly consistency: string; readonly warnings: readonly string[] } {
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  return JSON.parse(ran.stdout.trimEnd().split('\n').at(-1) ?? '') as ReturnType<typeof resultOf>;
}

async function isMissing(path: string): Promise<boolean> {
  return access(path).then(
    () => false,
    () => true,
  );
}

describe('a guest that cannot be quiesced', () => {
  const FAULT = { method: 'CreateSnapshot_Task', fault: 'ApplicationQuiesceFault', inTask: true, count: 1 };

  it('fails a backup that must be quiesced', async () => {
    await lab.vcenter.fault(FAULT);
    const ran = await backup();
    expect(refusal(ran)).toMatch(
      /take snapshot "_VCB_BACKUP_" of VM vm-\d+: ApplicationQuiesceFault.*\. Hint: .*--quiesce preferred/,
    );
    expect(await isMissing(ran.directory)).toBe(true);
  });

  it('is backed up crash-consistent where that is allowed, with a warning', async () => {
    await lab.vcenter.fault(FAULT);
    const result = resultOf(await backup('--quiesce', 'preferred', '--json'));
    expect(result.consistency).toBe('crash');
    expect(result.warnings).toEqual([expect.stringContaining('quiescing failed')]);
  });
});

describe('a VM that another task works on', () => {
  const FAULT = { method: 'CreateSnapshot_Task', fault: 'TaskInProgress', inTask: true };
  const RETRIES = ['--retries', '2', '--backoff', '1'] as const;

  it('is backed up at a retry', async () => {
    await lab.vcenter.control('DELETE', '/requests');
    await lab.vcenter.fault({ ...FAULT, count: 1 });
    expect(await backup(...RETRIES)).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.callsOf('CreateSnapshot_Task')).toBe(2);
  });

  it('fails the backup after as many retries as were asked for', async () => {
    await lab.vcenter.control('DELETE', '/requests');
    await lab.vcenter.fault({ ...FAULT, count: 3 });
    const started = Date.now();
    expect(refusal(await backup(...RETRIES))).toMatch(
      /take snapshot "_VCB_BACKUP_" of VM vm-\d+: TaskInProgress.*\. Hint: .*MAX_RETRIES and BACKOFF_TIME/,
    );
    expect(await lab.callsOf('CreateSnapshot_Task')).toBe(3);
    expect(Date.now() - started).toBeGreaterThan(2000);
  });

  it('fails the backup at once where no retries were asked for', async () => {
    await lab.vcenter.control('DELETE', '/requests');
    await lab.vcenter.fault({ ...FAULT, count: 3 });
    refusal(await backup());
    expect(await lab.callsOf('CreateSnapshot_Task')).toBe(1);
  });
});

describe('a privilege that is missing', () => {
  it('is named', async () => {
    await lab.vcenter.fault({ method: 'CreateSnapshot_Task', fault: 'NoPermission', count: 1 });
    expect(refusal(await backup())).toMatch(
      /of VM vm-\d+: NoPermission: .*VirtualMachine\.State\.CreateSnapshot\. Hint: give the backup user this privilege/,
    );
  });
});

describe('a lost answer of the call that takes the snapshot', () => {
  it.each([
    ['to the call', {}],
    ['of its task', { inTask: true }],
  ])('%s leaves no snapshot behind', async (_, where) => {
    await lab.vcenter.fault({
      method: 'CreateSnapshot_Task',
      fault: 'HostCommunication',
      afterEffect: true,
      count: 1,
      ...where,
    });
    expect(refusal(await backup())).toMatch(
      /take snapshot "_VCB_BACKUP_" of VM vm-\d+: HostCommunication.*\. Hint: /,
    );
  });

  it('leads to no second snapshot at a retry', async () => {
    await lab.vcenter.control('DELETE', '/requests');
    await lab.vcenter.fault({
      method: 'CreateSnapshot_Task',
      fault: 'HostCommunication',
      afterEffect: true,
      count: 1,
    });
    const result = resultOf(await backup('--retries', '1', '--backoff', '0', '--json'));
    expect(await lab.callsOf('CreateSnapshot_Task')).toBe(1);
    expect(await lab.callsOf('RemoveSnapshot_Task')).toBe(1);
    expect(result.warnings).toEqual([expect.stringContaining('cut off')]);
  });
});

describe('a snapshot that cannot be removed yet', () => {
  it('is removed as soon as it can be, whatever the retries', async () => {
    await lab.vcenter.fault({
      method: 'RemoveSnapshot_Task',
      fault: 'TaskInProgress',
      inTask: true,
      count: 2,
    });
    expect(await backup()).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a login session that ends while a run needs it', () => {
  it('is replaced by whichever call is told that nobody is logged in', async () => {
    for (const method of ['ExportSnapshot', 'CreateSnapshot_Task', 'WaitForUpdatesEx', 'RemoveSnapshot_Task'])
      await lab.vcenter.fault({ method, fault: 'NotAuthenticated', count: 1 });
    expect(await backup()).toMatchObject({ code: 0, stderr: '' });
  });

  it('is replaced while the run waits for its snapshot', async () => {
    // The snapshot is there at once, its task goes on for a while.
    await lab.vcenter.fault({ method: 'CreateSnapshot_Task', inTask: true, delayMs: 1500, count: 1 });
    const ran = backup();
    await eventually(async () => (await lab.vcenter.get<readonly unknown[]>('/tasks')).length > 0);
    await lab.vcenter.control('POST', '/sessions/expire');
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
  });

  it('in the middle of transfers by lease and by datastore costs each one retry', async () => {
    const root = {
      lease: join(lab.everthaw.backups, 'lease'),
      datastore: join(lab.everthaw.backups, 'datastore'),
    };
    for (const each of Object.values(root)) await mkdir(each);
    const retry = ['--retries', '1', '--backoff', '0'] as const;
    const byLease = await lab.holdDownload('/nfc', root.lease, () =>
      lab.backup('db', '--to', join(root.lease, 'db'), ...retry),
    );
    const byDatastore = await lab.holdDownload('/folder', root.datastore, () =>
      lab.backup('log', '--to', join(root.datastore, 'log'), '--transport', 'nbdssl:datastore', ...retry),
    );
    await lab.vcenter.control('POST', '/sessions/expire');
    await lab.vcenter.control('DELETE', '/traffic');
    for (const { ran } of [byLease, byDatastore]) expect(await ran).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.diskIn(join(root.lease, 'db'))).toBe(await sha256(system.raw));
    expect(await lab.diskIn(join(root.datastore, 'log'))).toBe(await sha256(data.raw));
  });
});

describe('a second run on a VM', () => {
  it('is refused with the living one named, from this proxy and from another', async () => {
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('db'));
    const run = await lab.runOf('db');
    const other = await LabEverthaw.create(lab.vcenter, labTemporal());
    try {
      for (const everthaw of [lab.everthaw, other]) {
        const line = refusal(
          await everthaw.everthaw('backup', 'db', '--to', join(lab.everthaw.backups, 'second')),
        );
        expect(line).toContain(`backup "db": a run works on this VM: backupVm ${run}, started 2`);
        expect(line).toContain('Hint: wait for it (everthaw watch), or cancel it (everthaw cancel)');
      }
      expect(await leftovers({ vcenter: lab.vcenter, everthaw: other })).not.toContainEqual(
        expect.stringMatching(/^note /),
      );
    } finally {
      await other.remove();
    }
    await lab.vcenter.control('DELETE', '/traffic');
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a run that is cancelled', () => {
  it.each(['lease', 'datastore'] as const)(
    'in the middle of a transfer by %s lets go of all',
    async (via) => {
      const directory = join(lab.everthaw.backups, `cancelled-${via}`);
      const { ran } = await lab.holdDownload(via === 'lease' ? '/nfc' : '/folder', lab.everthaw.backups, () =>
        lab.backup('db', '--to', directory, '--transport', `nbdssl:${via}`),
      );
      expect(await lab.everthaw.everthaw('cancel', 'db')).toMatchObject({ code: 0, stderr: '' });
      expect(refusal(await ran)).toMatch(
        /run: it was cancelled, and everything that it held is let go\. Hint: /,
      );
      expect(await isMissing(directory)).toBe(true);
    },
  );

  it('while it waits for its snapshot lets go of all', async () => {
    await lab.vcenter.fault({ method: 'CreateSnapshot_Task', inTask: true, delayMs: 1500, count: 1 });
    const ran = backup();
    await eventually(async () => (await lab.vcenter.get<readonly unknown[]>('/tasks')).length > 0);
    // By the client: on a busy machine the program is longer in coming than the snapshot.
    await lab.client.workflow.getHandle(await lab.runOf('web')).cancel();
    refusal(await ran);
  });
});
