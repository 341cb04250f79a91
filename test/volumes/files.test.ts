import { spawn } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/system/until.js';
import { EVERTHAW } from '../lab/programs.js';
import { run } from '../lab/run.js';
import { FilesLab } from './filesLab.js';
import {
  gptLetter,
  makeEmpty,
  makeExt4,
  makeFat,
  makeNtfs,
  makePartitioned,
  makeTree,
  mbrLetter,
  MIB,
  setTimes,
  treeOf,
} from './images.js';
import { writeImageBackup } from './imageBackup.js';

const IS_ROOT = process.getuid?.() === 0;
const ROOT_GUID = '0fc63daf-8483-4772-8e79-3d69d8477de4';
const BASIC_GUID = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7';
const APP_PARTITION = '11111111-2222-3333-4444-555555555555';
const DATA_PARTITION = '01234567-89ab-cdef-0123-456789abcdef';
const ROOT_UUID = '6a5f0a3c-1111-4222-8333-444455556666';

let lab: FilesLab;
let state: FilesLab['state'];
let at: FilesLab['at'];
let files: FilesLab['files'];
let get: FilesLab['get'];
let leftOpen: FilesLab['leftOpen'];

beforeAll(async () => {
  lab = await FilesLab.start();
  ({ state, at, files, get, leftOpen } = lab);
});

afterAll(() => lab.stop());

describe.skipIf(!IS_ROOT)(`a Linux guest${IS_ROOT ? '' : ' (SKIPPED: making its images needs root)'}`, () => {
  const tree = (): string => at('linux');
  let backup: string;

  beforeAll(async () => {
    await makeTree(tree());
    await mkdir(join(tree(), 'etc'));
    await mkdir(join(tree(), 'var/lib/app'), { recursive: true });
    await writeFile(
      join(tree(), 'etc/fstab'),
      [
        `UUID=${ROOT_UUID} / ext4 defaults 0 1`,
        `PARTUUID=${APP_PARTITION} /var/lib/app ext4 defaults 0 2`,
        'LABEL=EFI /boot/efi vfat umask=0077 0 1',
        '/dev/mapper/vg-home /home xfs defaults 0 2',
        '/dev/sda5 /secret ext4 defaults 0 2',
      ].join('\n'),
    );
    await setTimes(tree());
    await makeExt4(at('root.img'), 24, tree());
    await run('tune2fs', ['-U', ROOT_UUID, at('root.img')]);
    await mkdir(at('app'));
    await writeFile(at('app/one'), 'of the second volume');
    await setTimes(at('app'));
    await makeExt4(at('app.img'), 8, at('app'));
    await mkdir(at('efi/EFI/debian'), { recursive: true });
    await writeFile(at('efi/EFI/debian/Long Näme.efi'), 'loader');
    await makeFat(at('efi.img'), 8, at('efi'));
    await makeEmpty(at('swap.img'), 4);
    await run('mkswap', [at('swap.img')]);
    await writeFile(
      at('luks.img'),
      Buffer.concat([Buffer.from('LUKS\xba\xbe\0\x01', 'latin1'), Buffer.alloc(MIB)]),
    );
    await makePartitioned(
      at('linux.raw'),
      64,
      ['label: gpt'],
      [
        { startMib: 1, sizeMib: 8, type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', image: at('efi.img') },
        { startMib: 10, sizeMib: 24, type: ROOT_GUID, image: at('root.img') },
        { startMib: 36, sizeMib: 8, type: ROOT_GUID, image: at('app.img'), uuid: APP_PARTITION },
        { startMib: 46, sizeMib: 4, type: ROOT_GUID, image: at('swap.img') },
        { startMib: 52, sizeMib: 4, type: ROOT_GUID, image: at('luks.img') },
      ],
    );
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', at('linux.raw'), at('linux.qcow2')]);
    const disk = { label: 'scsi0:0', format: 'qcow2', files: [at('linux.qcow2')], sizeMib: 64 } as const;
    backup = await writeImageBackup(at('linux-backup'), [disk]);
  });

  it('has its volumes listed by its fstab, and what cannot be read with the reason', async () => {
    const { stdout, code } = await files('ls', backup, '--json');
    expect(code).toBe(0);
    const told = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(
      told
        .filter(({ id }) => id !== undefined)
        .map(({ id, name, fileSystem, refusal }) => [id, name, fileSystem, refusal]),
    ).toEqual([
      ['scsi0:0/1', '/boot/efi', 'vfat', undefined],
      ['scsi0:0/2', '/', 'ext4', undefined],
      ['scsi0:0/3', '/var/lib/app', 'ext4', undefined],
      ['scsi0:0/4', undefined, 'swap', 'it is swap space and has no files'],
      ['scsi0:0/5', '/secret', 'crypto_LUKS', 'it is encrypted (LUKS)'],
    ]);
    expect(told.flatMap(({ note }) => note ?? [])).toEqual([
      'the guest mounts /dev/mapper/vg-home at /home: no volume here is known by that',
    ]);
  });

  it('gives back its files with content, mode, owner, times, links, holes, attributes and access lists', async () => {
    const { to, ran } = await get(backup, '/');
    expect(ran.stdout).toContain('failed: /secret (volume scsi0:0/5): it is encrypted (LUKS)');
    expect(ran.code).toBe(3);
    expect(await treeOf(join(to, 'volumes/srv'))).toEqual(await treeOf(join(tree(), 'srv')));
    expect(await treeOf(join(to, 'volumes/etc'))).toEqual(await treeOf(join(tree(), 'etc')));
    expect(await treeOf(join(to, 'volumes/var/lib/app'))).toEqual(await treeOf(at('app')));
    expect(await readFile(join(to, 'volumes/boot/efi/efi/debian/Long Näme.efi'), 'utf8')).toBe('loader');
    const { blocks, size } = await lstat(join(to, 'volumes/srv/data/holes'));
    expect(blocks * 512).toBeLessThan(size);
    expect((await lstat(to)).mode & 0o777).toBe(0o700);
  });

  it('has single files and directories of any volume copied', async () => {
    const { to, ran } = await get(backup, '/srv/data/plain', '/var/lib/app/one', 'scsi0:0/2/etc');
    expect(ran.code).toBe(0);
    expect(await readFile(join(to, 'volumes/srv/data/plain'), 'utf8')).toBe('plain\n');
    expect(await readFile(join(to, 'volumes/var/lib/app/one'), 'utf8')).toBe('of the second volume');
    expect(await readdir(join(to, 'volumes/srv/data'))).toEqual(['plain']);
    expect(await readdir(join(to, 'volumes/etc'))).toEqual(['fstab']);
  });

  it('has its directories listed, with names that are no text', async () => {
    const { stdout } = await files('ls', backup, '/srv/data/', '--json');
    const entries = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries).toHaveLength(11);
    expect(entries).toContainEqual(
      expect.objectContaining({ name: 'absolute', type: 'link', target: '/etc/shadow' }),
    );
    expect(entries).toContainEqual(
      expect.objectContaining({ nameBase64: Buffer.from([0xff, 0xfe, 0x41]).toString('base64') }),
    );
    expect(entries).toContainEqual({
      ...{ name: 'plain', type: 'file', sizeBytes: 6, modified: '2021-03-04T05:06:08.000Z' },
      ...{ mode: '0640', uid: 0, gid: 0 },
    });
    expect((await files('ls', backup, '/srv/data')).stdout).toContain('  with\\u{a}newline\n');
  });

  it.each([
    ['/nowhere', /there is no nowhere in \//],
    ['/srv/data/absolute/x', /\/srv\/data\/absolute is a link: ask for what it leads to/],
    ['/srv/data/plain/x', /\/srv\/data\/plain is no directory/],
    ['/secret/x', /read "\/secret\/x" on volume scsi0:0\/5: it is encrypted/],
    ['C:\\x', /no volume of the backup is called so; there are \/boot\/efi, \//],
    ['scsi0:0/2/../../etc', /a path goes downwards only/],
  ])('is not read at %s, and says why', async (path, why) => {
    const { ran } = await get(backup, path);
    expect(ran.stderr).toMatch(why);
    expect(ran.code).toBe(1);
  });

  it('is not copied over what is there', async () => {
    await mkdir(at('full/x'), { recursive: true });
    const { code, stderr } = await files('get', backup, '/etc', '--to', at('full'));
    expect(stderr).toMatch(
      /copy files to ".*full": it is not empty\. Hint: name a new or an empty directory/,
    );
    expect(code).toBe(1);
  });

  it.each([
    ['raw', []],
    ['vmdk-flat', ['-O', 'vmdk', '-o', 'subformat=monolithicFlat']],
    ['vmdk-stream-optimized', ['-O', 'vmdk', '-o', 'subformat=streamOptimized']],
  ] as const)('is read from disks of the format %s', async (format, convert) => {
    const disk = at(format === 'raw' ? 'linux.raw' : `${format}.vmdk`);
    if (convert.length > 0)
      await run('qemu-img', ['convert', '-f', 'raw', ...convert, at('linux.raw'), disk]);
    const beside = format === 'vmdk-flat' ? [at('vmdk-flat-flat.vmdk')] : [];
    const other = await writeImageBackup(at(`${format}-backup`), [
      { label: 'scsi0:0', format, files: [disk, ...beside], sizeMib: 64 },
    ]);
    const { to, ran } = await get(other, '/srv');
    expect(ran.stderr).toBe('');
    expect(await treeOf(join(to, 'volumes/srv'))).toEqual(await treeOf(join(tree(), 'srv')));
  });

  it('leaves no process and no mount when the command is killed', async () => {
    const env = { ...process.env, EVERTHAW_STATE: state, EVERTHAW_CONFIG: '/dev/null' };
    const words = [EVERTHAW, 'files', 'get', backup, '/', '--to', at('killed')];
    const command = spawn(process.execPath, words, { env, stdio: 'ignore' });
    const patience = AbortSignal.timeout(30_000);
    await until(async () => (await leftOpen()).some((line) => line.includes('fuse2fs')), patience, 5);
    command.kill('SIGKILL');
    await until(async () => (await leftOpen()).length === 0, patience);
    expect(await readdir(join(state, 'volumes'))).toEqual([]);
  });
});

describe.skipIf(!IS_ROOT)('a Windows guest', () => {
  let backup: string;

  beforeAll(async () => {
    for (const name of ['windows/Data', 'more']) await mkdir(at(name), { recursive: true });
    await writeFile(at('windows/Data/日本語.txt'), 'konnichiwa');
    await writeFile(at('more/on d'), 'second disk');
    await makeNtfs(at('c.img'), 16, at('windows'), {
      C: mbrLetter(0x1122aabb, 8),
      D: gptLetter(DATA_PARTITION),
      E: Buffer.from('\\??\\SCSI#CdRom', 'utf16le'),
    });
    await makeNtfs(at('d.img'), 8, at('more'));
    await makePartitioned(
      at('one.raw'),
      48,
      ['label: dos', 'label-id: 0x1122aabb'],
      [
        { startMib: 1, sizeMib: 6, type: '7', image: at('d.img') },
        { startMib: 8, sizeMib: 16, type: '7', image: at('c.img') },
        { startMib: 25, sizeMib: 22, type: '5' },
        { startMib: 26, sizeMib: 4, type: '42' },
      ],
    );
    await makePartitioned(
      at('two.raw'),
      16,
      ['label: gpt'],
      [{ startMib: 2, sizeMib: 8, type: BASIC_GUID, image: at('d.img'), uuid: DATA_PARTITION }],
    );
    backup = await writeImageBackup(at('windows-backup'), [
      { label: 'scsi0:0', format: 'raw', files: [at('one.raw')], sizeMib: 48 },
      { label: 'scsi0:1', format: 'raw', files: [at('two.raw')], sizeMib: 16 },
    ]);
  });

  it('has its volumes listed by its registry, of MBR and GPT disks; those without a letter too', async () => {
    const { stdout } = await files('ls', backup);
    expect(stdout).toMatch(/^scsi0:0\/2 +C: +16 MiB +ntfs +- +owners and access lists of NTFS are not kept/m);
    expect(stdout).toMatch(/^scsi0:1\/1 +D: +8\.0 MiB +ntfs /m);
    expect(stdout).toMatch(
      /^scsi0:0\/5 +- +4\.0 MiB .*not readable: it is a part of a Windows dynamic disk$/m,
    );
    expect(stdout).toMatch(/^scsi0:0\/1 +- /m);
  });

  it('gives back files by letters, whatever the case of their names', async () => {
    const { to, ran } = await get(backup, 'c:\\data', 'D:\\');
    expect(ran.code).toBe(0);
    expect(await readFile(join(to, 'letters/C/Data/日本語.txt'), 'utf8')).toBe('konnichiwa');
    expect(await readFile(join(to, 'letters/D/on d'), 'utf8')).toBe('second disk');
    expect((await lstat(join(to, 'letters/D/on d'))).mode & 0o777).toBe(0o600);
  });
});

describe.skipIf(!IS_ROOT)('file systems of which only contents are read', () => {
  it('say so: XFS and Btrfs', async () => {
    await mkdir(at('plain/dir'), { recursive: true });
    await writeFile(at('plain/dir/file'), 'content');
    await makeEmpty(at('xfs.img'), 310);
    await writeFile(
      at('proto'),
      `/\n0 0\nd--755 0 0\ndir d--755 0 0\nfile ---644 0 0 ${at('plain/dir/file')}\n$\n$\n`,
    );
    await run('mkfs.xfs', ['-q', '-p', at('proto'), at('xfs.img')]);
    await makeEmpty(at('btrfs.img'), 120);
    await makeBtrfs('--rootdir', at('plain'), at('btrfs.img'));
    const backup = await writeImageBackup(at('contents-backup'), [
      { label: 'virtio0:0', format: 'raw', files: [at('xfs.img')], sizeMib: 310 },
      { label: 'virtio0:1', format: 'raw', files: [at('btrfs.img')], sizeMib: 120 },
    ]);
    const { stdout } = await files('ls', backup);
    expect(stdout.match(/contents, names and times only/g)).toHaveLength(2);
    const { to, ran } = await get(backup, 'virtio0:0', 'virtio0:1/dir/file');
    expect(ran.stderr).toBe('');
    for (const disk of ['virtio0:0', 'virtio0:1'])
      expect(await readFile(join(to, 'disks', disk, 'dir/file'), 'utf8')).toBe('content');
  });
});

/**
 * It refuses to work while anything that is mounted on this machine cannot be looked at, such as a mount of another test whose server was just
 * killed. Nothing is mounted, as far as it sees.
 */
async function makeBtrfs(...args: readonly string[]): Promise<void> {
  const blind = 'mount --bind /dev/null /proc/$$/mounts && exec mkfs.btrfs -q "$@"';
  await run('unshare', ['--mount', 'sh', '-c', blind, 'sh', ...args]);
}
