import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModuleVolume } from '../../src/integrations/module.js';
import { tar } from '../../src/integrations/tar.js';
import { run, type Ran } from '../lab/run.js';
import { filesIn } from '../volumes/imageBackup.js';
import { makeExt4, makeFat, makeNtfs, makeTree, setTimes, treeOf } from '../volumes/images.js';
import { makePoint, type Made } from './fileBackup.js';

const IS_ROOT = process.getuid?.() === 0;
const NEEDS = IS_ROOT ? '' : ' (SKIPPED: mounting them where a backup sees them needs root)';

let directory: string;
let files: (...words: readonly string[]) => Promise<Ran>;
let copies = 0;

const at = (...names: readonly string[]): string => join(directory, ...names);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-mounted-'));
  files = filesIn(at('state'));
  await mkdir(at('mount'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Mounts as the product does, for as long as the work takes. */
async function mounted<T>(words: readonly string[], work: (mount: string) => Promise<T>): Promise<T> {
  const mount = at('mount');
  await run(words[0] ?? '', [...words.slice(1), mount]);
  try {
    return await work(mount);
  } finally {
    await run('umount', [mount]);
  }
}

async function get(backup: string, ...paths: readonly string[]): Promise<string> {
  const to = at(`copy${++copies}`);
  const ran = await files('get', backup, ...paths, '--to', to);
  expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
  return to;
}

/** Names and contents. */
async function contentsOf(tree: string): Promise<string> {
  const script = 'cd "$1" && find . -type d | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum';
  return (await run('sh', ['-ec', script, 'sh', tree])).stdout;
}

describe.skipIf(!IS_ROOT)(`volumes as they are mounted${NEEDS}`, () => {
  it('without steady numbers of files lose nothing to directories that seem renamed', async () => {
    const image = at('fat.img');
    for (const [path, text] of Object.entries({
      'a/f': 'one',
      'b/f': 'two',
      'c/f': 'three',
      'd/f': 'four',
    })) {
      await mkdir(at('fat', path, '..'), { recursive: true });
      await writeFile(at('fat', path), text);
    }
    // Nearly all that is there is old, as it most often is: what is taken for unchanged is not archived again.
    await setTimes(at('fat'));
    await writeFile(at('fat/a/new'), 'new');
    await makeFat(image, 8, at('fat'));
    const back = (
      first: readonly string[],
      kind: 'full' | 'incremental',
    ): Promise<{ made: Made; seen: string }> =>
      mounted(['grub-mount', image], async (mount) => {
        // Numbers are given in the order in which somebody looks: other directories have those of the last mount.
        for (const name of first) await readdir(join(mount, name));
        const volume: ModuleVolume = {
          id: 'scsi0:0/1',
          name: '/boot/efi',
          fileSystem: 'vfat',
          directory: mount,
        };
        return {
          made: await makePoint(at('fat-root'), { module: tar, kind, volumes: [volume] }),
          seen: await contentsOf(mount),
        };
      });
    const points = [await back(['a', 'b', 'c', 'd'], 'full')];
    points.push(await back(['d', 'c', 'b', 'a'], 'incremental'));
    await run('mdel', ['-i', image, '::c/f']);
    await writeFile(at('five'), 'five');
    await run('mcopy', ['-i', image, at('five'), '::c/5']);
    await run('mmove', ['-i', image, '::b', '::a/b']);
    await mkdir(at('e'));
    await writeFile(at('e/f'), 'of a new directory, and old');
    await setTimes(at('e'));
    await run('mcopy', ['-s', '-m', '-i', image, at('e'), '::']);
    points.push(await back(['e', 'c', 'a', 'd'], 'incremental'));
    // And are incremental nevertheless.
    const second = await run('tar', ['-tf', join(points[1]!.made.directory, '%2Fboot%2Fefi.tar')]);
    expect(second.stdout).toContain('./a/new');
    expect(second.stdout).not.toContain('/f\n');
    await mkdir(at('by-hand'));
    for (const { made, seen } of points) {
      expect(await contentsOf(join(await get(made.directory, '/boot/efi'), 'volumes/boot/efi'))).toBe(seen);
      const archive = join(made.directory, '%2Fboot%2Fefi.tar');
      await run('tar', ['-x', '--incremental', '-f', archive, '-C', at('by-hand')]);
      expect(await contentsOf(at('by-hand'))).toBe(seen);
    }
    expect(points.map(({ made }) => made.kind)).toEqual([
      'file-full',
      'file-incremental',
      'file-incremental',
    ]);
  });

  it('of ext4 keep what their file system has, in another mount too', async () => {
    const image = at('ext4.img');
    await makeTree(at('ext4'));
    await makeExt4(image, 24, at('ext4'));
    const back = (kind: 'full' | 'incremental'): Promise<{ made: Made; seen: string }> =>
      mounted(['fuse2fs', '-o', 'ro,norecovery,fakeroot', image], async (mount) => {
        const volume: ModuleVolume = { id: 'scsi0:0/2', name: '/', fileSystem: 'ext4', directory: mount };
        return {
          made: await makePoint(at('ext4-root'), { module: tar, kind, volumes: [volume] }),
          seen: await treeOf(mount),
        };
      });
    const points = [await back('full'), await back('incremental')];
    await run('debugfs', ['-w', '-R', 'unlink /srv/data/many', image]);
    await writeFile(at('debugfs'), `cd /srv\nwrite ${at('five')} five\nmkdir empty\n`);
    await writeFile(at('five'), 'five');
    await run('debugfs', ['-w', '-f', at('debugfs'), image]);
    points.push(await back('incremental'));
    for (const { made, seen } of points)
      expect(await treeOf(join(await get(made.directory, '/'), 'volumes'))).toBe(seen);
  });

  it('hold what the guest changed before tar began, or by a clock that is behind', async () => {
    const image = at('clock.img');
    await mkdir(at('clock'));
    for (const name of ['unchanged', 'changed']) await writeFile(at('clock', name), name);
    await makeExt4(image, 8, at('clock'));
    const debugfs = async (...lines: readonly string[]): Promise<void> => {
      await writeFile(at('debugfs'), lines.map((line) => `${line}\n`).join(''));
      await run('debugfs', ['-w', '-f', at('debugfs'), image]);
    };
    const stamped = (name: string, time: string): readonly string[] =>
      ['ctime', 'mtime'].map((field) => `sif ${name} ${field} ${time}`);
    const back = (kind: 'full' | 'incremental'): Promise<Made> =>
      mounted(['fuse2fs', '-o', 'ro,norecovery,fakeroot', image], (mount) =>
        makePoint(at('clock-root'), {
          ...{ module: tar, kind },
          volumes: [{ id: 'scsi0:0/2', name: '/', fileSystem: 'ext4', directory: mount }],
        }),
      );
    await debugfs(
      ...['/', '/lost+found', '/unchanged', '/changed'].flatMap((name) => stamped(name, '20210304050607')),
      ...stamped('/', '20210304050608'),
    );
    await back('full');
    // It was snapshotted in March 2021; all this is after that, and long before any clock here.
    await writeFile(at('text'), 'CHANGED');
    await debugfs(
      ...['rm /changed', `write ${at('text')} changed`],
      ...[...stamped('/changed', '20210304050609'), ...stamped('/', '20210304050608')],
    );
    const made = await back('incremental');
    const listed = await run('tar', ['-tf', join(made.directory, '%2F.tar')]);
    expect(listed.stdout).toBe('./\n./lost+found/\n./changed\n');
  });

  it('of NTFS are chosen from in any case, as Windows would', async () => {
    const image = at('ntfs.img');
    for (const path of ['Data/Mail', 'Data/Temp', 'Windows'])
      await mkdir(at('ntfs', path), { recursive: true });
    for (const path of ['Data/Mail/a.TMP', 'Data/Mail/日本.pst', 'Data/Temp/b', 'Windows/c'])
      await writeFile(at('ntfs', path), path);
    await makeNtfs(image, 24, at('ntfs'));
    const made = await mounted(
      ['ntfs-3g', '-o', 'ro,norecover,streams_interface=xattr,locale=C.UTF-8', image],
      (mount) =>
        makePoint(at('ntfs-root'), {
          ...{ module: tar, kind: 'full', include: ['d:\\DATA'], exclude: ['*.tmp', 'D:\\data\\temp'] },
          volumes: [{ id: 'scsi0:1/1', name: 'D:', fileSystem: 'ntfs', directory: mount }],
        }),
    );
    expect(made.volumes).toMatchObject([{ paths: ['Data'], archive: 'D.tar', listing: 'D.snar' }]);
    const to = await get(made.directory, 'd:\\data');
    expect((await run('sh', ['-c', 'cd "$1" && find . -type f', 'sh', to])).stdout).toBe(
      './letters/D/Data/Mail/日本.pst\n',
    );
  });

  it('within each other come back in each other, and no link of the guest’s leads a volume elsewhere', async () => {
    const root = at('nested');
    await mkdir(join(root, 'system/srv/data'), { recursive: true });
    await mkdir(join(root, 'elsewhere'));
    await symlink('/tmp', join(root, 'system/link'));
    let made: Made;
    await run('mount', ['-t', 'tmpfs', 'tmpfs', join(root, 'system/srv/data')]);
    try {
      await writeFile(join(root, 'system/srv/data/file'), 'of the inner volume');
      made = await makePoint(root, {
        ...{ module: tar, kind: 'full' },
        volumes: [
          { id: 'scsi0:0/1', name: '/', directory: join(root, 'system') },
          { id: 'scsi0:0/2', name: '/srv/data', directory: join(root, 'system/srv/data') },
          { id: 'scsi0:0/3', name: '/link', directory: join(root, 'elsewhere') },
        ],
      });
    } finally {
      await run('umount', [join(root, 'system/srv/data')]);
    }
    const to = at(`copy${++copies}`);
    const ran = await files('get', made.directory, '/', '--to', to);
    expect(ran).toMatchObject({ code: 3 });
    expect(ran.stdout).toContain('failed: volume /link: what the guest has there is no directory');
    expect(await contentsOf(join(to, 'volumes/srv'))).toContain('./data/file');
    const ls = await files('ls', made.directory, '/srv', '--json');
    expect(JSON.parse(ls.stdout)).toMatchObject({ name: 'data', type: 'directory' });
  });
});
