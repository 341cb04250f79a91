import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { BackupResult } from '../../src/domain/runs.js';
import { vmWorkflowId } from '../../src/domain/names.js';
import { until } from '../../src/system/until.js';
import { connectClient } from '../../src/temporal/client.js';
import { makeDisk } from '../lab/disks.js';
import { historic, historicWith, installed } from '../lab/historic.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { refusal } from '../lab/refusal.js';
import { labTemporal } from '../lab/temporal.js';

const PATIENCE_MS = 60_000;

let lab: Lab;
let installPath: string;

beforeAll(async () => {
  const disk = await makeDisk('system', 64, 24);
  lab = await Lab.start([{ name: 'web', disks: [{ ...disk, unit: 0 }] }], labTemporal());
  installPath = await installed(lab, 'TRANSPORT_MODE="nbdssl";');
}, 120_000);

afterEach(async () => {
  await historic(lab, 'postCommand', installPath, 'web');
  expect(await leftovers(lab)).toEqual([]);
  expect(await readdir(lab.everthaw.backups)).toEqual([]);
});

afterAll(() => lab.stop());

async function lastRun() {
  const client = await connectClient(labTemporal());
  const { instanceUuid } = await lab.vcenter.vm('web');
  return client.workflow.getHandle(vmWorkflowId(lab.vcenter.ready.instanceUuid, instanceUuid));
}

it('exports a VM, prints where, and keeps it until post-command says that it is done with', async () => {
  const first = await historic(lab, 'preCommand', installPath, 'web', 'image');
  const directory = lab.directoryOf('web');
  expect(first).toMatchObject({ code: 0, stdout: `${directory}\n` });
  expect(await lab.diskIn(directory)).toBe(await lab.diskOf('web'));
  // The VM is free already.
  expect((await lab.vcenter.vm('web')).snapshots ?? []).toEqual([]);

  // It outlives a worker, a sweep, and being asked for again.
  await lab.everthaw.killWorker();
  await lab.everthaw.startWorker();
  expect((await lab.everthaw.everthaw('cleanup', '-y')).stdout).toContain('nothing of it may be let go');
  const again = await historic(lab, 'preCommand', installPath, 'web', '--json');
  expect(again).toMatchObject({ code: 0, stdout: `${JSON.stringify({ directory })}\n` });
  expect(await lab.diskIn(directory)).toBe(await lab.diskOf('web'));

  expect(await historic(lab, 'postCommand', installPath, 'web')).toMatchObject({ code: 0, stderr: '' });
  expect(await readdir(lab.everthaw.backups)).toEqual([]);
  expect(await (await lastRun()).result()).toMatchObject({ state: 'succeeded', warnings: [] });
  expect(await historic(lab, 'postCommand', installPath, 'web')).toMatchObject({ code: 0, stderr: '' });
});

it('post-command and vcbMounter -U say that no worker is there to end a run, which ends when one is', async () => {
  expect(await historic(lab, 'preCommand', installPath, 'web')).toMatchObject({ code: 0 });
  await lab.everthaw.killWorker();
  const ended = await Promise.all([
    historic(lab, 'postCommand', installPath, 'web'),
    historic(lab, 'vcbMounter', '-U', '-r', lab.directoryOf('web')),
  ]);
  for (const ran of ended) {
    const line = refusal(ran, 1);
    expect(line).toMatch(/no worker has taken its next step for \d+ s\. Hint: start the worker of its proxy/);
    expect(ran.stdout).toContain('waiting until it has let go');
  }
  expect(await readdir(lab.everthaw.backups)).toEqual(['web-fullVM']);
  await lab.everthaw.startWorker();
  expect(await (await lastRun()).result()).toMatchObject({ state: 'succeeded' });
  expect(await readdir(lab.everthaw.backups)).toEqual([]);
});

it('an export whose post-command never comes goes at the maximum snapshot age', async () => {
  const impatient = { EVERTHAW_MAXIMUM_SNAPSHOT_AGE_S: '8' };
  expect(await historicWith(lab, impatient, 'preCommand', installPath, 'web')).toMatchObject({ code: 0 });
  const { state, warnings } = (await (await lastRun()).result()) as BackupResult;
  expect(state).toBe('succeeded');
  expect(warnings.join()).toMatch(/^post-command did not come within .* is removed/);
  expect(await readdir(lab.everthaw.backups)).toEqual([]);
});

it('an export whose run is terminated goes with the next sweep, and one that is not ours stays', async () => {
  await historic(lab, 'preCommand', installPath, 'web');
  await (await lastRun()).terminate('a test');
  const directory = lab.directoryOf('web');
  await rm(join(directory, '.everthaw-owner'));
  expect(await lab.everthaw.everthaw('cleanup', '-y')).toMatchObject({ code: 0 });
  expect(await readdir(directory)).toContain('manifest.json');
  await rm(directory, { recursive: true });

  await historic(lab, 'preCommand', installPath, 'web');
  await (await lastRun()).terminate('a test');
  expect((await lab.everthaw.everthaw('cleanup', '-y')).stdout).toContain('export for other software');
  expect(await readdir(lab.everthaw.backups)).toEqual([]);
});

it('post-command before the export stands ends the run, and pre-command says so', async () => {
  const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () =>
    historic(lab, 'preCommand', installPath, 'web'),
  );
  const ending = historic(lab, 'postCommand', installPath, 'web');
  await until(
    async () => (await (await lastRun()).describe()).status.name !== 'RUNNING',
    AbortSignal.timeout(PATIENCE_MS),
  );
  expect(await ending).toMatchObject({ code: 0 });
  const { code, stdout, stderr } = await ran;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('it was cancelled, and everything that it held is let go');
});

it('is refused what is neither image nor files, and where a run of another kind works on the VM', async () => {
  expect(await historic(lab, 'preCommand', installPath, 'web', 'tape')).toMatchObject({ code: 2 });
  const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
  const inUse = refusal(await historic(lab, 'preCommand', installPath, 'web'), 1);
  expect(inUse).toContain('a run works on this VM');
  await lab.vcenter.heal();
  expect(await ran).toMatchObject({ code: 0 });
  await rm(lab.directoryOf('web'), { recursive: true });
});

it('is refused a BACKUPROOT on another machine', async () => {
  const elsewhere = { EVERTHAW_ROOT: 'scp://backup@store:/vault' };
  const line = refusal(await historicWith(lab, elsewhere, 'preCommand', installPath, 'web'), 2);
  expect(line).toMatch(
    /export "web" to "scp:\/\/backup@store:\/vault\/web-fullVM": it is on another machine/,
  );
});
