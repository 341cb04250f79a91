import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
import { historic, installed } from '../lab/historic.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { refusal } from '../lab/refusal.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

const STRANGE = '日本 "a" ..';

let lab: Lab;

beforeAll(async () => {
  const disk = await makeDisk('system', 64, 24);
  const disks = [{ ...disk, unit: 0 }];
  lab = await Lab.start(
    [
      { name: 'web', disks },
      { name: STRANGE, disks },
    ],
    labTemporal(),
  );
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  expect(await leftovers(lab)).toEqual([]);
});

function program(name: 'vcbMounter' | 'vcbSnapAll', ...args: readonly string[]): Promise<Ran> {
  const file = fileURLToPath(new URL(`../../src/cli/${name}.js`, import.meta.url));
  return run(process.execPath, [file, ...args], { env: lab.everthaw.environment, mayFail: true });
}

it('vcbMounter backs a VM up to exactly the directory that it is given, by a mode of old', async () => {
  const directory = join(lab.everthaw.backups, 'by-mounter');
  const ran = await program('vcbMounter', '-a', 'name:web', '-r', directory, '-m', 'nbdssl');
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(await lab.diskIn(directory)).toBe(await lab.diskOf('web'));
});

it('vcbMounter refuses modes that are not built or not of this host', async () => {
  const to = ['-a', 'name:web', '-r', join(lab.everthaw.backups, 'never')];
  expect(refusal(await program('vcbMounter', ...to, '-m', 'san'), 2)).toContain('not built yet');
  const nbd = refusal(await program('vcbMounter', ...to, '-m', 'nbd'), 1);
  expect(nbd).toContain('nbd:export');
});

it('vcbMounter -U ends an export for other software, and touches no backup that is whole', async () => {
  const installPath = await installed(lab, 'TRANSPORT_MODE="nbdssl";');
  const exported = await historic(lab, 'preCommand', installPath, 'web');
  expect(exported).toMatchObject({ code: 0, stdout: `${lab.directoryOf('web')}\n` });
  expect(await program('vcbMounter', '-U', '-r', lab.directoryOf('web'))).toMatchObject({
    code: 0,
    stderr: '',
  });
  expect(await readdir(lab.everthaw.backups)).not.toContain('web-fullVM');

  const whole = join(lab.everthaw.backups, 'whole');
  expect(await lab.backup('web', '--to', whole)).toMatchObject({ code: 0 });
  expect(refusal(await program('vcbMounter', '-U', '-r', whole), 2)).toContain('it is a backup, and whole');
  expect(await lab.diskIn(whole)).toBe(await lab.diskOf('web'));
  expect(refusal(await program('vcbMounter', '-U', '-r', lab.everthaw.directory), 2)).toContain(
    'no run of this proxy has anything there',
  );
  expect(refusal(await program('vcbMounter', '-r', whole), 2)).toContain('give -a <spec>, or -U to unmount');
});

it('vcbMounter -U lets go of what a dead run left in a directory, and of nothing that a living one builds', async () => {
  const directory = lab.directoryOf('web');
  const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
  const kept = await program('vcbMounter', '-U', '-r', directory);
  expect(kept.stdout).toContain('nothing of it may be let go');
  await lab.everthaw.killWorker();
  await lab.client.workflow.getHandle(await lab.runOf('web')).terminate('the test');
  expect((await ran).code).toBe(1);
  await lab.vcenter.heal();
  const gone = await program('vcbMounter', '-U', '-r', directory);
  expect(gone).toMatchObject({ code: 0, stderr: '' });
  expect(gone.stdout).toMatch(/let go: unfinished backup in ".*web-fullVM\.partial-/);
  await lab.everthaw.startWorker();
});

it('vcbSnapAll leaves a template out and says so, and a run of one is refused before anything is touched', async () => {
  await lab.vcenter.govc('vm.create', '-on=false', '-net', 'VM Network', '-ds', 'LocalDS_0', 'model');
  await lab.vcenter.govc('vm.markastemplate', 'model');
  const root = join(lab.everthaw.backups, 'templates');
  await mkdir(root);
  const all = await program('vcbSnapAll', '-a', 'powerstate:off', '-r', root);
  expect(all).toMatchObject({ code: 0, stderr: '' });
  const why = 'it is a template, and cannot be snapshotted';
  expect(all.stdout.split('\n')).toContain(
    `left out: "model": ${why}; clone it and back the clone up, or convert it to a VM`,
  );
  expect(all.stdout).toContain('0 of 0 done, 0 failed');
  const one = refusal(await program('vcbMounter', '-a', 'name:model', '-r', join(root, 'model')), 1);
  expect(one).toContain(`back up "model": ${why}`);
  expect(await readdir(root)).toEqual([]);
  await lab.vcenter.govc('vm.destroy', 'model');
});

it('vcbSnapAll backs up every VM into its own directory, and hides no success behind a failure', async () => {
  const root = join(lab.everthaw.backups, 'all');
  expect(refusal(await program('vcbSnapAll', '-a', 'any:', '-r', root), 2)).toContain('it is no directory');
  await mkdir(root);
  const all = await program('vcbSnapAll', '-a', 'any:', '-r', root);
  expect(all).toMatchObject({ code: 0, stderr: '' });
  expect(all.stdout).toContain('2 of 2 done, 0 failed');
  expect(await lab.diskIn(join(root, 'web-fullVM'))).toBe(await lab.diskOf('web'));
  expect(await lab.diskIn(join(root, '日本 %22a%22 .%2E-fullVM'))).toBe(await lab.diskOf(STRANGE));
  await rm(join(root, 'web-fullVM'), { recursive: true });
  const second = await program('vcbSnapAll', '-a', 'any:', '-r', root, '--json');
  expect(second.code).toBe(3);
  expect(await lab.diskIn(join(root, 'web-fullVM'))).toBe(await lab.diskOf('web'));
  expect(second.stdout).toContain('{"state":"partial","vms":2,"failed":1}');
});
