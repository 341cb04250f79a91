import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Brake } from '../lab/brake.js';
import { eventually, type Lab } from '../lab/lab.js';
import { refusal } from '../lab/refusal.js';
import type { Ran } from '../lab/run.js';
import type { LabSshd } from '../lab/sshd.js';
import { ScpLab } from './scpLab.js';

const LONG = { timeout: 240_000 };

let scpLab: ScpLab;
let lab: Lab;
let sshd: LabSshd;
let far: string;
let backup: ScpLab['backup'];

beforeAll(async () => {
  scpLab = await ScpLab.start();
  ({ lab, sshd, far, backup } = scpLab);
}, 120_000);

afterEach(async () => {
  await lab.vcenter.heal();
  await scpLab.nothingIsLeft();
});

afterAll(() => scpLab.stop());

describe('a backup on another machine', LONG, () => {
  const name = `it's "far" $(touch x)`;
  let directory: string;
  let url: string;
  let scratch: string;

  beforeAll(async () => {
    directory = join(far, 'kept', name);
    url = sshd.scpUrl(directory);
    scratch = join(lab.everthaw.directory, 'temp dir');
    for (const each of [join(far, 'kept'), scratch]) await mkdir(each);
    const ran = await backup('db', directory, '--transport', 'nbdssl:datastore');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });

  afterEach(async () => {
    expect(await readdir(scratch)).toEqual([]);
  });

  function restore(from: string, ...flags: readonly string[]): Promise<Ran> {
    return lab.everthaw.everthawWith({ EVERTHAW_TEMPDIR: scratch }, 'restore', from, ...flags);
  }

  /** What a command says of it there, and of the same directory here. */
  async function thereAndHere(command: string, path: string): Promise<readonly [string, string]> {
    const there = await lab.everthaw.everthaw(command, sshd.scpUrl(path), '--json');
    const here = await lab.everthaw.everthaw(command, path, '--json');
    expect(there.code).toBe(here.code);
    return [there.stdout.replaceAll(sshd.scpUrl('/'), '/'), here.stdout];
  }

  function verdictIn(line: string): object {
    const { state, faults } = JSON.parse(line) as { state: string; faults: readonly string[] };
    return { state, faults };
  }

  it('is listed and shown there as it would be here, beside what is not whole', async () => {
    const partial = join(far, `kept/none.partial-${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}`);
    const broken = join(far, 'kept/sub/broken\nname');
    const lacking = join(far, 'kept/sub/lacking');
    for (const each of [partial, broken, lacking]) await mkdir(each, { recursive: true });
    await writeFile(join(broken, 'manifest.json'), '{');
    await writeFile(join(lacking, 'manifest.json'), await readFile(join(directory, 'manifest.json')));
    await symlink(directory, join(far, 'kept/link'));
    const [listed, listedHere] = await thereAndHere('list', join(far, 'kept'));
    expect(listed).toBe(listedHere);
    expect(listed).toMatch(/"state":"whole".*\n.*"partial".*\n.*"damaged".*\n.*"damaged"/);
    const [shown, shownHere] = await thereAndHere('show', directory);
    expect(shown).toBe(shownHere);
    const nowhere = await lab.everthaw.everthaw('list', sshd.scpUrl(join(far, 'nowhere')));
    expect(refusal(nowhere)).toContain('list the backups below');
    for (const each of [partial, join(far, 'kept/sub'), join(far, 'kept/link')])
      await rm(each, { recursive: true });
  });

  it('is verified where it is', async () => {
    const good = await lab.everthaw.everthaw('verify', url);
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toContain('its disks were hashed where they are');
    const catalog = join(directory, 'catalog');
    const before = await readFile(catalog);
    const harms: readonly (() => Promise<unknown>)[] = [
      () => writeFile(catalog, 'short'),
      () => writeFile(catalog, Buffer.alloc(before.length)),
      () => Promise.resolve(),
      () => mkdir(catalog),
      () => symlink('/etc/passwd', catalog),
    ];
    for (const harm of harms) {
      await rm(catalog);
      await harm();
      const [there, here] = (await thereAndHere('verify', directory)).map(verdictIn);
      expect(there).toMatchObject({ state: 'bad', faults: [expect.stringContaining('catalog ')] });
      expect(there).toEqual(here);
      await rm(catalog, { recursive: true, force: true });
      await writeFile(catalog, before);
    }
  });

  it('is restored to the same bytes, and what was fetched goes again', async () => {
    const before = [await lab.diskOf('db', 0), await lab.diskOf('db', 1)];
    await lab.vcenter.govc('vm.destroy', 'db');
    const ran = await restore(url);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('restore succeeded: "db"');
    expect([await lab.diskOf('db', 0), await lab.diskOf('db', 1)]).toEqual(before);
  });

  it('whose worker is killed while it is fetched is restored by the next one', async () => {
    const before = [await lab.diskOf('db', 0), await lab.diskOf('db', 1)];
    await lab.vcenter.govc('vm.destroy', 'db');
    const brake = new Brake(lab.everthaw.state, 5);
    const ran = restore(url);
    await eventually(async () => {
      const [partial = ''] = await readdir(scratch);
      return (
        partial !== '' && (await readdir(join(scratch, partial))).some((file) => file.startsWith('scsi'))
      );
    });
    await lab.everthaw.killWorker();
    await brake.release();
    expect(await readdir(scratch)).toHaveLength(1);
    await lab.everthaw.startWorker();
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
    expect([await lab.diskOf('db', 0), await lab.diskOf('db', 1)]).toEqual(before);
  });

  it('that is not what was backed up makes no VM', async () => {
    const catalog = join(directory, 'catalog');
    const before = await readFile(catalog);
    await writeFile(catalog, Buffer.alloc(before.length));
    const line = refusal(await restore(url, '--name', 'copy'));
    expect(line).toMatch(/read the backup in "scp:.*catalog is not what was backed up: SHA-256/);
    await writeFile(catalog, before);
    await rename(join(directory, 'manifest.json'), join(directory, 'aside'));
    expect(refusal(await restore(url, '--name', 'copy'))).toContain('its manifest cannot be read');
    await rename(join(directory, 'aside'), join(directory, 'manifest.json'));
    expect((await lab.vcenter.govc('find', '.', '-type', 'm')).split('\n')).not.toContain('./vm/copy');
  });

  it('is not fetched to where there is no place for it', async () => {
    const nowhere = { EVERTHAW_TEMPDIR: join(scratch, 'nowhere') };
    const ran = await lab.everthaw.everthawWith(nowhere, 'restore', url, '--name', 'copy');
    expect(refusal(ran)).toMatch(
      /where it is to lie meanwhile, cannot be used \(ENOENT\)\. Hint: name a larger/,
    );
  });
});
