import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
import { hostless, installed } from '../lab/historic.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

/*
 * The package as a user gets it: packed, installed elsewhere, and each of its programs (F11) run by the name that npm gives it. Only the
 * worker is this clone's.
 */

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

let lab: Lab;
let elsewhere: string;

beforeAll(async () => {
  elsewhere = await mkdtemp(join(tmpdir(), 'everthaw-installed-'));
  await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', elsewhere], {
    cwd: REPOSITORY,
  });
  const [tarball = ''] = await readdir(elsewhere);
  await writeFile(join(elsewhere, 'package.json'), '{"private":true}');
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--omit=dev'];
  await run('npm', ['install', ...quietly, join(elsewhere, tarball)], { cwd: elsewhere });
  const disk = await makeDisk('system', 64, 24);
  lab = await Lab.start([{ name: 'web', disks: [{ ...disk, unit: 0 }], powerOn: false }], labTemporal());
}, 300_000);

afterAll(async () => {
  await lab.stop();
  await rm(elsewhere, { recursive: true, force: true });
});

afterEach(async () => {
  expect(await leftovers(lab)).toEqual([]);
});

/** Runs a program as a shell finds it. */
function program(name: string, ...args: readonly string[]): Promise<Ran> {
  // These two know of the host by their install path alone.
  const usual = /^(pre|post)-command$/.test(name) ? hostless(lab) : lab.everthaw.environment;
  const path = [join(elsewhere, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter);
  return run(name, args, { env: { ...usual, PATH: path }, cwd: elsewhere, mayFail: true });
}

async function succeeds(name: string, ...args: readonly string[]): Promise<string> {
  const ran = await program(name, ...args);
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  return ran.stdout;
}

it('tells its version, and knows each of its programs', async () => {
  expect(await succeeds('everthaw', '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  const names = (await readdir(join(elsewhere, 'node_modules/.bin'))).filter((name) =>
    /^vcb|command$/.test(name),
  );
  for (const name of names) expect(await succeeds(name, '--help')).toContain(`Usage: ${name}`);
  expect(names.length).toBe(9);
});

it('vcbVmName and vcbUtil tell what there is', async () => {
  expect(await succeeds('vcbVmName', '-s', 'name:web')).toMatch(/^Found VM:\n.*\nname: ?web\n/m);
  expect(await succeeds('vcbUtil', '-c', 'datastores')).toContain('LocalDS_0');
});

it('vcbMounter backs a VM up, and vcbRestore brings it back after its loss with the same bytes', async () => {
  const before = await lab.diskOf('web');
  const backup = join(lab.everthaw.backups, 'mounter');
  await succeeds('vcbMounter', '-a', 'name:web', '-r', backup);
  await lab.vcenter.govc('vm.destroy', 'web');
  await succeeds('vcbRestore', '-s', backup);
  expect(await lab.diskOf('web')).toBe(before);
});

it('vcbSnapAll backs all of them up, and vcbResAll replaces them by their backups', async () => {
  const before = await lab.diskOf('web');
  const archive = join(lab.everthaw.backups, 'archive');
  await mkdir(archive);
  await succeeds('vcbSnapAll', '-a', 'any:', '-r', archive);
  const { moref } = await lab.vcenter.vm('web');
  await succeeds('vcbResAll', '-s', archive, '-b', 'overwrite');
  expect((await lab.vcenter.vm('web')).moref).not.toBe(moref);
  expect(await lab.diskOf('web')).toBe(before);
});

it('pre-command exports a VM for other software, until vcbMounter -U or post-command ends that', async () => {
  const installPath = await installed(lab, 'TRANSPORT_MODE="nbdssl";');
  for (const end of [
    ['vcbMounter', '-U', '-r', lab.directoryOf('web')],
    ['post-command', installPath, 'web'],
  ]) {
    // What it does is told beside, for a program reads the one line.
    const exported = await program('pre-command', installPath, 'web');
    expect(exported).toMatchObject({ code: 0, stdout: `${lab.directoryOf('web')}\n` });
    expect(await lab.diskIn(lab.directoryOf('web'))).toBe(await lab.diskOf('web'));
    const [name = '', ...args] = end;
    await succeeds(name, ...args);
    expect(await readdir(lab.everthaw.backups)).not.toContain('web-fullVM');
  }
});

it('vcbCleanup lets go of what a terminated run left', async () => {
  const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () =>
    program('everthaw', 'backup', 'name:web', '--root', lab.everthaw.backups),
  );
  await lab.everthaw.killWorker();
  await lab.client.workflow.getHandle(await lab.runOf('web')).terminate('the test');
  expect((await ran).code).toBe(1);
  await lab.vcenter.heal();
  expect(await succeeds('vcbCleanup', '-y')).toContain('let go: snapshot');
  await lab.everthaw.startWorker();
});
