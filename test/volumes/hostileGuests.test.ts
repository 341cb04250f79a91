import { lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/system/until.js';
import { readVolumes } from '../../src/volumes/readVolumes.js';
import { run } from '../lab/run.js';
import { FilesLab } from './filesLab.js';
import { changeExt4, makeExt4, MIB } from './images.js';
import { writeImageBackup } from './imageBackup.js';

const IS_ROOT = process.getuid?.() === 0;

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

describe.skipIf(!IS_ROOT)('a hostile guest', () => {
  const backupOf = (name: string, sizeMib: number, format: 'raw' | 'qcow2' = 'raw'): Promise<string> =>
    writeImageBackup(at(`${name}-backup`), [
      { label: 'virtio0:0', format, files: [at(`${name}.img`)], sizeMib },
    ]);

  it('does not lead out of the directory by a link where it mounts a volume', async () => {
    await mkdir(at('trap/etc'), { recursive: true });
    await mkdir(at('outside'));
    await symlink(at('outside'), at('trap/boot'));
    await writeFile(at('trap/etc/fstab'), '/dev/vda / ext4\n/dev/vdb /boot ext4\n');
    await makeExt4(at('trap.img'), 8, at('trap'));
    await mkdir(at('inner'));
    await writeFile(at('inner/passwd'), 'mine');
    await makeExt4(at('inner.img'), 8, at('inner'));
    const backup = await writeImageBackup(at('trap-backup'), [
      { label: 'virtio0:0', format: 'raw', files: [at('trap.img')], sizeMib: 8 },
      { label: 'virtio0:1', format: 'raw', files: [at('inner.img')], sizeMib: 8 },
    ]);
    const { to, ran } = await get(backup, '/');
    expect(ran.stdout).toContain('failed: volume virtio0:1: what the guest has at /boot is no directory');
    expect(ran.code).toBe(3);
    expect(await readdir(at('outside'))).toEqual([]);
    expect(await readlink(join(to, 'volumes/boot'))).toBe(at('outside'));
  });

  it('does not lead out of the directory by its fstab', async () => {
    await mkdir(at('climber/etc'), { recursive: true });
    await writeFile(at('climber/etc/fstab'), '/dev/vda / ext4\n/dev/vdb /../../\\056\\056/beside ext4\n');
    await makeExt4(at('climber.img'), 8, at('climber'));
    await mkdir(at('load'));
    await writeFile(at('load/passwd'), 'mine');
    await makeExt4(at('load.img'), 8, at('load'));
    const backup = await writeImageBackup(at('climber-backup'), [
      { label: 'virtio0:0', format: 'raw', files: [at('climber.img')], sizeMib: 8 },
      { label: 'virtio0:1', format: 'raw', files: [at('load.img')], sizeMib: 8 },
    ]);
    await mkdir(at('deep'));
    const to = at('deep/er');
    const ran = await files('get', backup, '/', '--to', to);
    expect(ran.code).toBe(0);
    expect(await readdir(at('deep'))).toEqual(['er']);
    expect(await readdir(to)).toEqual(['volumes']);
    expect(await readFile(join(to, 'volumes/beside/passwd'), 'utf8')).toBe('mine');
  });

  it('brings no device, pipe or set-uid program here, and its capabilities neither', async () => {
    await mkdir(at('sharp'));
    await writeFile(at('sharp/su'), 'program', { mode: 0o755 });
    await makeExt4(at('sharp.img'), 8, at('sharp'));
    await changeExt4(at('sharp.img'), [
      'set_inode_field /su mode 0104755',
      'ea_set /su security.capability abc',
      'mknod disk b 8 0',
      'mknod tap p',
    ]);
    const { to, ran } = await get(await backupOf('sharp', 8), 'virtio0:0');
    expect(ran.stdout).toContain('not kept: virtio0:0/su: its set-uid or set-gid bit is not kept');
    expect(ran.stdout).toContain('not kept: virtio0:0/disk: a device is not copied');
    expect(ran.stdout).toContain('not kept: virtio0:0/tap: a pipe is not copied');
    expect(ran.code).toBe(0);
    const copied = join(to, 'disks/virtio0:0');
    expect((await readdir(copied)).sort()).toEqual(['lost+found', 'su']);
    expect((await lstat(join(copied, 'su'))).mode & 0o7777).toBe(0o755);
    expect((await run('getfattr', ['-d', '-m', '-', join(copied, 'su')])).stdout).not.toContain('capability');
  });

  it('with a broken file system is an error, soon', async () => {
    await makeExt4(at('broken.img'), 8, at('sharp'));
    // Its superblock is whole; the descriptors of its groups and its inodes are not.
    await run('sh', [
      '-ec',
      'head -c 200K /dev/zero | tr "\\0" "\\252" | dd of="$1" bs=1K seek=2 conv=notrunc',
      'sh',
      at('broken.img'),
    ]);
    const backup = await backupOf('broken', 8);
    const listed = await files('ls', backup);
    expect(listed.stdout).toMatch(/^virtio0:0 .*not readable: fuse2fs ended|cannot be read/m);
    const { ran } = await get(backup, 'virtio0:0');
    expect(ran.code).not.toBe(0);
    expect(ran.stdout + ran.stderr).toMatch(/virtio0:0/);
  });

  it('that keeps its reader busy, with 10,000 directories in each other, is given up', async () => {
    await mkdir(at('empty'));
    await makeExt4(at('deep.img'), 96, at('empty'));
    await run('mke2fs', ['-q', '-t', 'ext4', '-N', '12000', '-F', at('deep.img')]);
    await changeExt4(at('deep.img'), Array.from({ length: 10_000 }, () => ['mkdir d', 'cd d']).flat());
    const image = {
      label: 'virtio0:0',
      capacityBytes: 96 * MIB,
      file: at('deep.img'),
      format: 'raw',
    } as const;
    await mkdir(at('deep-copy'));
    const task = { kind: 'copy', paths: ['virtio0:0'], to: at('deep-copy') } as const;
    const reading = readVolumes([image], task, join(state, 'volumes'), () => undefined, 3000);
    await expect(reading).rejects.toThrow(/open the volumes: .*it said nothing for 3 s/);
    await until(async () => (await leftOpen()).length === 0, AbortSignal.timeout(10_000));
  });

  it('has a raw disk read as what it is, though it looks like an image that names another file', async () => {
    await run('qemu-img', [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-F',
      'raw',
      '-b',
      '/etc/passwd',
      at('mask.img'),
      '8M',
    ]);
    await run('truncate', ['-s', '8M', at('mask.img')]);
    const { stdout } = await files('ls', await backupOf('mask', 8));
    expect(stdout).toBe('disk virtio0:0: it has neither partitions nor a file system that is known\n');
    await rm(at('mask-backup'), { recursive: true });
    const { stderr, code } = await files('ls', await backupOf('mask', 8, 'qcow2'));
    expect(stderr).toMatch(/open disk virtio0:0 of .*: it is only the difference to \/etc\/passwd/);
    expect(code).toBe(1);
  });
});
