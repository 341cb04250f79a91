import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stateDirectories } from '../../src/config/directories.js';
import { readSettings } from '../../src/config/settings.js';
import { vmWorkflowId } from '../../src/domain/names.js';
import { connectClient } from '../../src/temporal/client.js';
import { makeDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;
let client: Client;

beforeAll(async () => {
  const disk = await makeDisk('system', 256, 24);
  lab = await Lab.start([{ name: 'web', disks: [{ ...disk, unit: 0 }] }], labTemporal());
  client = await connectClient(labTemporal());
});

afterAll(async () => {
  await client.connection.close();
  await lab.stop();
});

describe('everthaw cleanup', () => {
  it('finds nothing where nothing is left over', async () => {
    const cleanup = await lab.everthaw.everthaw('cleanup', '-y');
    expect(cleanup).toMatchObject({ code: 0, stderr: '', stdout: 'nothing is left over\n' });
  });

  it('keeps what a living run owns, and lets go of all of it when the run was terminated', async () => {
    const held = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
    const kept = await lab.everthaw.everthaw('cleanup', '-y');
    expect(kept.stdout).toMatch(/keep {5}[0-9a-f]{12} {2}snapshot/);
    expect(kept.stdout).toContain('is living');
    const id = /keep {5}(\w+) {2}snapshot/.exec(kept.stdout)?.[1] ?? '';
    const forced = await lab.everthaw.everthaw('cleanup', '-y', '--force', id);
    expect(forced.code).toBe(1);
    expect(forced.stderr).toContain('by force: its run');
    expect((await lab.vcenter.vm('web')).snapshots).toHaveLength(1);

    const { instanceUuid } = await lab.vcenter.vm('web');
    await client.workflow
      .getHandle(vmWorkflowId(lab.vcenter.ready.instanceUuid, instanceUuid))
      .terminate('the test');
    expect((await held.ran).code).toBe(1);
    await lab.everthaw.killWorker();
    await lab.vcenter.heal();
    const asked = await lab.everthaw.everthaw('cleanup');
    expect(asked.stdout).toContain('nobody can be asked here');
    expect((await lab.vcenter.vm('web')).snapshots).toHaveLength(1);
    const released = await lab.everthaw.everthaw('cleanup', '-y');
    expect(released).toMatchObject({ code: 0, stderr: '' });
    expect(released.stdout).toContain('let go: snapshot');
    expect(released.stdout).toContain('(terminated)');
    expect((await lab.vcenter.vm('web')).snapshots ?? []).toEqual([]);
    expect(await lab.vcenter.get('/leases')).toEqual([]);
    expect(await readdir(lab.everthaw.backups)).toEqual([]);
    await lab.everthaw.startWorker();
  });

  it('removes the password of a command that died before it used it, and leaves one alone that may still be used', async () => {
    const { hosts } = stateDirectories(readSettings(lab.everthaw.environment));
    const [old, young] = ['old', 'young'].map((name) => join(hosts, `.new-${name}`)) as [string, string];
    for (const folder of [old, young]) {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'secret'), 'a');
    }
    const twoHoursAgo = Date.now() / 1000 - 7200;
    await utimes(old, twoHoursAgo, twoHoursAgo);
    const cleanup = await lab.everthaw.everthaw('cleanup', '-y');
    expect(cleanup).toMatchObject({ code: 0, stderr: '' });
    expect(cleanup.stdout).toContain(`let go: ${old} (`);
    expect((await readdir(hosts)).filter((name) => name.startsWith('.new-'))).toEqual(['.new-young']);
    await rm(young, { recursive: true });
  });

  it('leaves a snapshot alone that it did not make, even one of the same name', async () => {
    await lab.vcenter.govc('snapshot.create', '-vm', 'web', '-m=false', '_VCB_BACKUP_');
    const cleanup = await lab.everthaw.everthaw('cleanup', '-y');
    expect(cleanup.stdout).toContain('it carries no owner record of ours');
    expect((await lab.vcenter.vm('web')).snapshots).toHaveLength(1);
  });

  it('lets go of it by force: of exactly that one, and only when a person agreed', async () => {
    const listed = await lab.everthaw.everthaw('cleanup', '--json');
    const { id, release, because } = JSON.parse(listed.stdout) as Record<string, string>;
    expect({ release, because }).toEqual({ release: false, because: 'unowned' });
    expect((await lab.everthaw.everthaw('cleanup', '--force', String(id))).stdout).toContain(
      'nobody can be asked',
    );
    const inexact = await lab.everthaw.everthaw('cleanup', '-y', '--force', String(id).slice(0, 11));
    expect(inexact).toMatchObject({ code: 2 });
    expect((await lab.vcenter.vm('web')).snapshots).toHaveLength(1);
    const forced = await lab.everthaw.everthaw('cleanup', '-y', '--force', String(id));
    expect(forced).toMatchObject({ code: 0, stderr: '' });
    expect((await lab.vcenter.vm('web')).snapshots ?? []).toEqual([]);
  });
});

describe('a run in the Temporal UI', () => {
  it('is found by VM, kind and state, is titled by the VM’s name, and tells its phase', async () => {
    const held = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
    const { instanceUuid } = await lab.vcenter.vm('web');
    const id = vmWorkflowId(lab.vcenter.ready.instanceUuid, instanceUuid);
    const handle = client.workflow.getHandle(id);
    expect(await handle.query('phase')).toBe('transfer of disk scsi0:0');
    const metadata = (await handle.describe()).staticSummary;
    expect(await metadata()).toBe('backup "web"');
    await lab.vcenter.heal();
    expect(await held.ran).toMatchObject({ code: 0 });
    const found = async (query: string) => {
      const ids: string[] = [];
      for await (const run of client.workflow.list({ query })) ids.push(run.workflowId);
      return ids;
    };
    await expect
      .poll(() => found(`EverthawVm = "web" AND EverthawKind = "backup" AND EverthawState = "succeeded"`))
      .toContain(id);
  });
});
