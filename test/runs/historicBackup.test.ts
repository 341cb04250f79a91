import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
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

it('vcbMounter refuses files, and modes that are not built or not of this host', async () => {
  const to = ['-a', 'name:web', '-r', join(lab.everthaw.backups, 'never')];
  expect(refusal(await program('vcbMounter', ...to, '-t', 'file'), 2)).toContain('file-level backup');
  expect(refusal(await program('vcbMounter', ...to, '-m', 'san'), 2)).toContain('not built yet');
  const nbd = refusal(await program('vcbMounter', ...to, '-m', 'nbd'), 1);
  expect(nbd).toContain('nbd:export');
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
