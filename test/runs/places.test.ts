import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { refusal } from '../lab/refusal.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;
let data: LabDisk;
let backup: string;
let byDatastore: string;

beforeAll(async () => {
  data = await makeDisk('data', 64, 8);
  lab = await Lab.start(
    [
      {
        name: 'web',
        disks: [
          { ...data, unit: 0 },
          { ...data, unit: 1 },
        ],
        powerOn: false,
      },
      { name: 'db', disks: [{ ...data, unit: 0 }], powerOn: false },
    ],
    labTemporal(),
  );
  backup = lab.directoryOf('web');
  byDatastore = join(lab.everthaw.directory, 'web-by-datastore');
  expect(await lab.backup('web')).toMatchObject({ code: 0, stderr: '' });
  expect(await lab.backup('web', '--to', byDatastore, '--transport', 'nbdssl:datastore')).toMatchObject({
    code: 0,
  });
  await lab.vcenter.govc('folder.create', '/DC0/vm/archive');
  await lab.vcenter.govc('pool.create', '/DC0/host/*/Resources/spare');
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  expect(await leftovers(lab)).toEqual([]);
});

/** A copy of the backup's catalog, edited as a person would. */
async function edited(...changes: readonly (readonly [RegExp | string, string])[]): Promise<string> {
  let text = await readFile(join(backup, 'catalog'), 'utf8');
  for (const [from, to] of changes) {
    expect(text).toMatch(from);
    text = text.replace(from, to);
  }
  const file = join(lab.everthaw.directory, 'edited-catalog');
  await writeFile(file, `${text}site.note= "kept as it is"\n`);
  return file;
}

function historic(program: 'vcbRestore' | 'vcbResAll', ...args: readonly string[]): Promise<Ran> {
  const file = fileURLToPath(new URL(`../../src/cli/${program}.js`, import.meta.url));
  return run(process.execPath, [file, ...args], { env: lab.everthaw.environment, mayFail: true });
}

describe('a restore to a host whose datastores have other names', () => {
  it('goes where everthaw.yaml says, tells so, and keeps to a catalog that is given', async () => {
    const { EVERTHAW_HOST: address = '', EVERTHAW_PORT: port = '' } = lab.everthaw.environment;
    const file = join(lab.everthaw.directory, 'everthaw.yaml');
    await writeFile(
      file,
      `hosts:\n  lab: { kind: vsphere, address: ${address}, port: ${port}, datastores: { LocalDS_0: LocalDS_1 } }\n`,
      { mode: 0o600 },
    );
    const flags = ['--host', 'lab', '--name', 'mapped'];
    const mapped = await lab.everthaw.everthawWith({ EVERTHAW_CONFIG: file }, 'restore', backup, ...flags);
    expect(mapped).toMatchObject({
      code: 0,
      stderr: 'note: what was on datastore "LocalDS_0" goes to "LocalDS_1"\n',
    });
    const { disks } = await lab.vcenter.vm('mapped');
    expect(disks?.map(({ path }) => path.replace(/ .*/, ''))).toEqual(['[LocalDS_1]', '[LocalDS_1]']);
    for (const index of [0, 1])
      expect(await lab.diskOf('mapped', index, 'LocalDS_1')).toBe(await sha256(data.raw));
    await lab.vcenter.govc('vm.destroy', 'mapped');
    const said = ['restore', backup, ...flags, '--catalog', join(backup, 'catalog')] as const;
    expect(await lab.everthaw.everthawWith({ EVERTHAW_CONFIG: file }, ...said)).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await lab.vcenter.vm('mapped')).disks?.[0]?.path).toMatch(/^\[LocalDS_0\] /);
    await lab.vcenter.govc('vm.destroy', 'mapped');
  });
});

describe('a restore by an edited catalog', () => {
  it('follows datastores of each disk and the folder, ignores the display name, and gives the same bytes', async () => {
    const catalog = await edited(
      [/scsi0:1\.diskname= "\[LocalDS_0\]/, 'scsi0:1.diskname= "[LocalDS_1]'],
      [/folderpath= ".*"/, 'folderpath= "/DC0/vm/archive"'],
      [/display_name= "web"/, 'display_name= "other"'],
    );
    const ran = await lab.restore(backup, '--catalog', catalog, '--name', 'moved');
    expect(ran.code).toBe(0);
    expect(ran.stderr).toBe(
      `note: the display name "other" in the catalog is ignored: the VM's own settings say "web" (another name is given with --name)\n`,
    );
    const { disks, vmxPath } = await lab.vcenter.vm('moved');
    expect(vmxPath).toMatch(/^\[LocalDS_0\] /);
    expect(disks?.map(({ path }) => path.replace(/ .*/, ''))).toEqual(['[LocalDS_0]', '[LocalDS_1]']);
    expect(await lab.vcenter.govc('find', '/DC0/vm/archive', '-type', 'm')).toBe('/DC0/vm/archive/moved\n');
    expect(await lab.diskOf('moved', 0)).toBe(await sha256(data.raw));
    expect(await lab.diskOf('moved', 1, 'LocalDS_1')).toBe(await sha256(data.raw));
    await lab.vcenter.govc('vm.destroy', 'moved');
    // The simulator leaves the directory of a disk that lies apart from its VM.
    const apart = disks?.[1]?.path.replace(/^\[.*\] (.*)\/.*$/, '$1') ?? '';
    await lab.vcenter.govc('datastore.rm', '-f', '-ds', 'LocalDS_1', apart);
  });

  it('follows a datastore’s uuid path and a resource pool', async () => {
    const seen = await lab.vcenter.govc('object.collect', '-s', '/DC0/datastore/LocalDS_1', 'summary.url');
    const pool =
      (await lab.vcenter.govc('find', '/DC0/host', '-type', 'p', '-name', 'spare')).split('\n')[0] ?? '';
    const uuidPath = `/vmfs/volumes/${seen.trim().split('/').filter(Boolean).at(-1) ?? ''}/web`;
    const catalog = await edited(
      [/config\.vmx= "\[LocalDS_0\] web/, `config.vmx= "${uuidPath}`],
      [/scsi0:0\.diskname= "\[LocalDS_0\] web/, `scsi0:0.diskname= "${uuidPath}`],
      [/scsi0:1\.diskname= "\[LocalDS_0\] web/, `scsi0:1.diskname= "${uuidPath}`],
      [/resourcepool= ".*"/, `resourcepool= "${pool}"`],
    );
    expect(await lab.restore(byDatastore, '--catalog', catalog, '--name', 'pooled')).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await lab.vcenter.govc('vm.info', '-json', 'pooled')).toContain(
      (await lab.vcenter.govc('find', '-i', '/DC0/host', '-type', 'p', '-name', 'spare'))
        .split(':')[1]
        ?.split('\n')[0] ?? '?',
    );
    expect(await lab.diskOf('pooled', 0, 'LocalDS_1')).toBe(await sha256(data.raw));
    await lab.vcenter.govc('vm.destroy', 'pooled');
  });

  it.each<[string, RegExp, string, RegExp]>([
    [
      'datastore',
      /scsi0:0\.diskname= "\[LocalDS_0\]/,
      'scsi0:0.diskname= "[burnt]',
      /find datastore "burnt" to restore to: .* it has LocalDS_0, LocalDS_1\. Hint/,
    ],
    [
      'folder',
      /folderpath= ".*"/,
      'folderpath= "/DC0/vm/nowhere"',
      /find folder "\/DC0\/vm\/nowhere" to restore to: .* it has \/DC0\/vm, \/DC0\/vm\/archive\. Hint/,
    ],
    [
      'pool',
      /resourcepool= ".*"/,
      'resourcepool= "/DC0/host/none"',
      /find resource pool "\/DC0\/host\/none" to restore to: .*; it has .*\/Resources/,
    ],
    [
      'host',
      /\nhost= ".*"/,
      '\nhost= "nobody"',
      /find host "nobody" to restore to: the host has none of that name; it has \S+/,
    ],
    [
      'path',
      /scsi0:0\.diskname= ".*"/,
      'scsi0:0.diskname= "web/web.vmdk"',
      /find "web\/web\.vmdk" to restore to: it is not of the form/,
    ],
    [
      'disk',
      /scsi0:1\.diskname/,
      'scsi7:1.diskname',
      /it tells of a disk scsi7:1, and the backup has scsi0:0, scsi0:1/,
    ],
  ])('is refused before anything is touched where it names a wrong %s', async (kind, from, to, why) => {
    const catalog = await edited([from, to]);
    const exit = kind === 'path' || kind === 'disk' ? 2 : 1;
    expect(refusal(await lab.restore(backup, '--catalog', catalog, '--name', 'nobody'), exit)).toMatch(why);
    expect((await lab.vcenter.vms()).map(({ name }) => name).sort()).toEqual(['db', 'web']);
  });

  it('refuses flat disks on several datastores, and says what to do', async () => {
    const catalog = await edited([/scsi0:1\.diskname= "\[LocalDS_0\]/, 'scsi0:1.diskname= "[LocalDS_1]']);
    expect(refusal(await lab.restore(byDatastore, '--catalog', catalog, '--name', 'split'))).toMatch(
      /restore disks to LocalDS_0 and LocalDS_1: .* only be restored to one datastore together\. Hint: name one with --storage/,
    );
  });

  it('takes what its catalog lacks from DSPATH and FOLDERPATH', async () => {
    const catalog = await edited(
      [/config\.vmx= ".*"/, 'config.vmx= ""'],
      [/disk\.scsi0:0\.diskname= ".*"\n/, ''],
      [/disk\.scsi0:1\.diskname= ".*"\n/, ''],
      [/folderpath= ".*"\n/, ''],
    );
    const ran = await lab.everthaw.everthawWith(
      { EVERTHAW_DSPATH: '[LocalDS_1] %VMNAME%', EVERTHAW_FOLDERPATH: '/DC0/vm/archive' },
      ...(['restore', backup, '--catalog', catalog, '--name', 'old'] as const),
    );
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect((await lab.vcenter.vm('old')).vmxPath).toMatch(/^\[LocalDS_1\] /);
    expect(await lab.vcenter.govc('find', '/DC0/vm/archive', '-type', 'm')).toBe('/DC0/vm/archive/old\n');
    expect(await lab.diskOf('old', 1, 'LocalDS_1')).toBe(await sha256(data.raw));
    await lab.vcenter.govc('vm.destroy', 'old');
  });
});

describe('what exists', () => {
  it('stays with keep, and the result says that it was skipped', async () => {
    const before = await lab.vcenter.vm('web');
    const ran = await historic('vcbRestore', '-s', backup, '-b', 'keep');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^restore skipped: "web": a VM of that name exists \(vm-\d+\), and stays/);
    expect(await lab.vcenter.vm('web')).toEqual(before);
  });

  it('aborts with abort, and without a terminal with prompt, which says so; another word is wrong usage', async () => {
    expect(refusal(await historic('vcbRestore', '-s', backup, '-b', 'abort'))).toMatch(
      /a VM of that name exists/,
    );
    expect(refusal(await historic('vcbRestore', '-s', backup))).toMatch(/prompt means abort/);
    expect((await historic('vcbRestore', '-s', backup, '-b', 'maybe')).code).toBe(2);
  });

  it('is asked about too where only files of its disks are left, which nothing overwrites', async () => {
    const file = await lab.vcenter.diskFile('web');
    const left = await sha256(file);
    await lab.vcenter.govc('vm.unregister', 'web');
    expect(refusal(await lab.restore(backup))).toMatch(
      /restore VM "web": files of its disks exist \(\[LocalDS_0\] web\/\S+\.vmdk, .*prompt means abort/,
    );
    const ran = await historic('vcbRestore', '-s', backup, '-b', 'overwrite');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/warning: \[LocalDS_0\] web\/\S+\.vmdk stays as it is/);
    expect(await lab.diskOf('web', 1)).toBe(await sha256(data.raw));
    expect(await sha256(file)).toBe(left);
    await lab.vcenter.govc('datastore.rm', '-f', '-ds', 'LocalDS_0', 'web');
  });
});

describe('vcbResAll', () => {
  it('restores each backup below a directory, and tells the truth of each', async () => {
    const archive = join(lab.everthaw.directory, 'archive');
    await mkdir(archive);
    await cp(backup, join(archive, 'web-fullVM'), { recursive: true });
    expect(await lab.backup('db', '--to', join(archive, 'db-fullVM'))).toMatchObject({ code: 0 });
    await cp(join(archive, 'db-fullVM'), join(archive, 'spoilt-fullVM'), { recursive: true });
    await writeFile(join(archive, 'spoilt-fullVM/catalog'), 'spoilt');
    await lab.vcenter.govc('vm.destroy', 'web');
    await lab.vcenter.govc('vm.destroy', 'db');
    const ran = await historic('vcbResAll', '-s', archive, '-b', 'overwrite');
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain('2 of 3 done, 1 failed');
    expect(ran.stderr).toMatch(/spoilt-fullVM": catalog is not what was backed up/);
    for (const name of ['web', 'db']) expect(await lab.diskOf(name)).toBe(await sha256(data.raw));
    expect(await historic('vcbResAll', '-s', archive)).toMatchObject({ code: 1 });
  });
});
