import { createHash } from 'node:crypto';
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { listRestorePoints } from '../../src/destinations/listRestorePoints.js';
import { localBackup } from '../../src/destinations/storedBackup.js';
import { verifyRestorePoint } from '../../src/destinations/verifyRestorePoint.js';
import { writeBackup } from '../lab/backupDirectory.js';
import { run } from '../lab/run.js';
import { EVIL_NAMES } from './generators.js';
import { expectOneLine, fuzz } from './fuzz.js';

const HUGE_BYTES = 2 ** 43;
const CANARY = 'nobody writes here';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'everthaw-fuzz-'));
});

afterEach(() => rm(root, { recursive: true, force: true }));

/** What is put in the place of a file. */
const HARMS: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
  nothing: (file) => rm(file),
  pipe: async (file) => {
    await rm(file);
    await run('mkfifo', [file]);
  },
  linkOut: async (file) => {
    await rename(file, join(root, 'outside'));
    await symlink(join(root, 'outside'), file);
  },
  linkToItself: async (file) => {
    await rm(file);
    await symlink(file, file);
  },
  linkToDevice: async (file) => {
    await rm(file);
    await symlink('/dev/zero', file);
  },
  directory: async (file) => {
    await rm(file);
    await mkdir(file);
  },
  empty: (file) => truncate(file, 0),
  huge: (file) => truncate(file, HUGE_BYTES),
};

function verify(directory: string) {
  return verifyRestorePoint(localBackup(directory), () => undefined, new AbortController().signal);
}

describe('a backup that somebody did harm to', () => {
  const harm = fc.record({
    file: fc.constantFrom('manifest.json', 'catalog', 'virtio0-0.raw'),
    harm: fc.constantFrom(...Object.keys(HARMS)),
    name: fc.constantFrom(...EVIL_NAMES.filter((name) => !name.includes('\0'))),
  });

  fuzz(
    'is listed and verified as such, and nothing outside is touched',
    harm,
    async ({ file, harm: kind, name }) => {
      const directory = join(root, 'points', 'web-fullVM');
      await rm(join(root, 'points'), { recursive: true, force: true });
      await writeFile(join(root, 'canary'), CANARY);
      await symlink('..', join(await made(join(root, 'points')), 'loop'));
      await writeBackup(directory, name);
      expect(await verify(directory)).toMatchObject({ state: 'good', faults: [] });
      await HARMS[kind]?.(join(directory, file));
      const verified = await verify(directory);
      expect(verified.state).toBe('bad');
      for (const fault of verified.faults) expect(fault.length).toBeLessThan(8192);
      // A directory without a manifest is none of a backup, and is not told as one.
      const [listed] = await listRestorePoints([join(root, 'points')]);
      expect(listed?.state).toBe(file === 'manifest.json' && kind === 'nothing' ? undefined : 'damaged');
      expect(await readFile(join(root, 'canary'), 'utf8')).toBe(CANARY);
    },
    25,
  );
});

async function made(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  return directory;
}

describe('a backup whose disk says that its bytes are elsewhere', () => {
  /** A backup with right hashes, of a disk made by whoever means harm. */
  async function pointWith(disk: Buffer, format: Manifest['disks'][number]['format']): Promise<string> {
    const directory = join(root, 'point');
    const file = 'virtio0-0.raw';
    await writeBackup(directory, 'web', (manifest) => ({
      ...manifest,
      disks: manifest.disks.map((each) => ({ ...each, format })),
      files: manifest.files.map((each) =>
        each.path === file
          ? { ...each, sizeBytes: disk.length, sha256: createHash('sha256').update(disk).digest('hex') }
          : each,
      ),
    }));
    await writeFile(join(directory, file), disk);
    return directory;
  }

  it('is bad, and what it names is not opened: a pipe would never answer', async () => {
    const pipe = join(root, 'pipe');
    await run('mkfifo', [pipe]);
    const image = join(root, 'image');
    await run('qemu-img', [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-o',
      `data_file=${join(root, 'data')},data_file_raw=on`,
      image,
      '64K',
    ]);
    await rm(join(root, 'data'));
    await rename(pipe, join(root, 'data'));
    const external = await verify(await pointWith(await readFile(image), 'qcow2'));
    expect(external).toMatchObject({
      state: 'bad',
      faults: ['disk virtio0:0: its data are to be in another file'],
    });

    const descriptor = `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 128 FLAT "${join(root, 'data')}" 0\n`;
    for (const format of ['vmdk-sparse', 'vmdk-stream-optimized'] as const)
      expect(await verify(await pointWith(Buffer.from(descriptor), format))).toMatchObject({
        state: 'bad',
        faults: ['disk virtio0:0: it does not begin as a VMDK of one file'],
      });
    for (const text of [
      descriptor,
      descriptor.replace(/RW.*/, `RW 1 FLAT "catalog" 0\n$&`).replace('FLAT "/', 'SPARSE "/'),
    ])
      expect(await verify(await pointWith(Buffer.from(text), 'vmdk-flat'))).toMatchObject({ state: 'bad' });
  });

  it('is bad where a descriptor is as large as a disk', async () => {
    const directory = await pointWith(Buffer.alloc(128 * 1024, '\n'), 'vmdk-flat');
    expect(await verify(directory)).toMatchObject({
      state: 'bad',
      faults: ['disk virtio0:0: no descriptor is so large'],
    });
  });
});

describe('directories that hold backups', () => {
  it('may be deep, go round by links, have names of any kind, and hold what cannot be read', async () => {
    let deep = join(root, 'a');
    for (let level = 0; level < 300; level++) deep = join(deep, '0123456');
    await mkdir(deep, { recursive: true });
    await symlink(root, join(deep, 'round'));
    await mkdir(Buffer.from(`${root}/\xff\xfe`, 'latin1'));
    await writeBackup(join(root, 'x'.repeat(255)), 'web');
    await mkdir(join(root, 'closed'));
    await chmod(join(root, 'closed'), 0);
    await (await open(join(root, 'manifest'), 'w')).close();
    const found = await listRestorePoints([root]);
    for (const point of found) if (point.state !== 'whole') expectOneLine(point.why);
    expect(found.filter(({ state }) => state === 'whole')).toHaveLength(1);
  });
});
