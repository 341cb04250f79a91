import { randomUUID } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EverthawError } from '../../src/domain/errors.js';
import { fileNameOf } from '../../src/domain/fileName.js';
import type { Manifest } from '../../src/domain/manifest.js';
import { readManifest } from '../../src/destinations/restorePoint.js';
import { localBackup } from '../../src/destinations/storedBackup.js';
import { verifyRestorePoint } from '../../src/destinations/verifyRestorePoint.js';
import { CAPACITY_BYTES, writeBackup } from '../lab/backupDirectory.js';
import { EVERTHAW } from '../lab/programs.js';
import { run, type Ran } from '../lab/run.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'everthaw-points-'));
});

afterEach(() => rm(root, { recursive: true }));

/** Runs the program with nothing to reach a host or a server by. */
function everthaw(...args: readonly string[]): Promise<Ran> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: join(root, 'no-home') };
  return run(process.execPath, [EVERTHAW, ...args], { env, mayFail: true });
}

/** Names that are hostile to paths, terminals or shells; none may lead anywhere or break a line. */
const ODD_NAMES = [
  '..',
  'a/b',
  '日本語',
  `it's "$(touch pwned)"`,
  'two\nlines',
  '\u001b[2Jgone',
  'x'.repeat(190),
];

describe('everthaw list', () => {
  it('tells all backups below a directory by VM and time, and what is unfinished or damaged', async () => {
    await writeBackup(join(root, 'deep/er/web-fullVM'), 'web');
    await writeBackup(join(root, 'db-fullVM'), 'db');
    await mkdir(join(root, `web-fullVM.partial-${randomUUID()}`));
    await writeBackup(join(root, 'cut-fullVM'), 'cut');
    await writeFile(join(root, 'cut-fullVM/virtio0-0.raw'), 'short');
    await writeBackup(join(root, 'odd-fullVM'), 'odd', () => 'nonsense');
    await symlink(root, join(root, 'again'));
    const listed = await everthaw('list', root);
    expect(listed).toMatchObject({ code: 3, stderr: '' });
    const lines = listed.stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^VM +point in time +kind +consistency +size +host +directory$/);
    expect(lines[1]).toMatch(/^db +2026-11-22T18:11:48 +image-full +crash +64 KiB +qemu:\/\/\/system +\//);
    expect(lines[2]).toMatch(/^web .*deep\/er\/web-fullVM$/);
    expect(lines.slice(3)).toEqual([
      expect.stringMatching(
        /^damaged: .*cut-fullVM: virtio0-0\.raw is not what was backed up: it has 5 bytes/,
      ),
      expect.stringMatching(/^damaged: .*odd-fullVM: its manifest is not one of ours/),
      expect.stringMatching(/^partial: .*web-fullVM\.partial-.*: it is not finished$/),
    ]);
    const json = (await everthaw('list', '--json', root)).stdout.trimEnd().split('\n');
    expect(json.map((line) => (JSON.parse(line) as { state: string }).state)).toEqual([
      'whole',
      'whole',
      'damaged',
      'damaged',
      'partial',
    ]);
  });

  it('tells each of odd names on one line, and follows none of them', async () => {
    for (const name of ODD_NAMES) await writeBackup(join(root, `${fileNameOf(name)}-fullVM`), name);
    const { code, stdout } = await everthaw('list', root);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(ODD_NAMES.length + 1);
    expect(stdout).not.toContain('\u001b');
  });

  it('says that there is none, and refuses what is no directory', async () => {
    expect(await everthaw('list', root)).toMatchObject({ code: 0, stdout: 'no backup is there\n' });
    expect((await everthaw('list', join(root, 'nowhere'))).stderr).toMatch(
      /nowhere": it cannot be read \(ENOENT\)\. Hint: /,
    );
  });
});

describe('everthaw show', () => {
  it('tells disks, files, hashes and the catalog, for people and for programs', async () => {
    await writeBackup(join(root, 'web'), 'web');
    const { stdout } = await everthaw('show', join(root, 'web'));
    expect(stdout).toMatch(/^VM {14}web \(was off/m);
    expect(stdout).toMatch(/^ {2}virtio0:0 {2}64 KiB {2}raw {2}virtio0-0\.raw {2}was \/images\/disk\.raw$/m);
    expect(stdout).toContain('  display_name= "web"');
    const shown = JSON.parse((await everthaw('show', '--json', join(root, 'web'))).stdout) as {
      manifest: Manifest;
      catalog: Record<string, string>;
    };
    expect(shown.manifest).toEqual(await readManifest(join(root, 'web')));
    expect(shown.catalog['folderpath']).toBe('/DC0/vm');
  });

  it.each(['manifest.json', '.everthaw-owner'])(
    'refuses a manifest that lists %s, which says whose a directory is',
    async (path) => {
      await writeBackup(join(root, 'web'), 'web', ({ files, ...manifest }) => ({
        ...manifest,
        files: [...files, { path, role: 'log', sizeBytes: 1, sha256: '0'.repeat(64) }],
      }));
      const { code, stderr } = await everthaw('show', join(root, 'web'));
      expect(code).toBe(1);
      expect(stderr).toContain(`its manifest lists ${path} as a file of the VM. Hint: `);
    },
  );
});

describe('everthaw verify', () => {
  it('calls a whole backup good, with a note of what lies beside it', async () => {
    await writeBackup(join(root, 'web'), 'web');
    await writeFile(join(root, 'web/notes.txt'), 'mine');
    expect(await everthaw('verify', join(root, 'web'))).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^good: .*\n {2}note: notes\.txt is no file of the backup\n$/) as string,
    });
  });

  it('looks at all, tells every fault, and ends with 1 if one is bad', async () => {
    await writeBackup(join(root, 'good'), 'good');
    await writeBackup(join(root, 'bad'), 'bad');
    await writeFile(join(root, 'bad/virtio0-0.raw'), Buffer.alloc(CAPACITY_BYTES, 'another'));
    await rm(join(root, 'bad/catalog'));
    const { code, stdout } = await everthaw('verify', join(root, 'bad'), join(root, 'good'));
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^bad: .*\n {2}bad: virtio0-0\.raw is not what was backed up: SHA-256 .*\n {2}bad: catalog is missing\ngood: /,
    );
  });

  it('ends with 3 where a backup is not finished', async () => {
    const partial = join(root, `web.partial-${randomUUID()}`);
    await mkdir(partial);
    expect(await everthaw('verify', partial)).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('not looked at: it is not finished') as string,
    });
  });

  it('finds a disk of another size, and a catalog that contradicts the manifest', async () => {
    await writeBackup(join(root, 'size'), 'web', (manifest) => ({
      ...manifest,
      vm: { ...manifest.vm, folderPath: '/elsewhere' },
      disks: manifest.disks.map((disk) => ({ ...disk, capacityBytes: 2 * CAPACITY_BYTES })),
    }));
    const { code, stdout } = await everthaw('verify', join(root, 'size'));
    expect(code).toBe(1);
    expect(stdout).toContain('catalog says "/DC0/vm" of folderpath, the manifest "/elsewhere"');
    expect(stdout).toContain('disk virtio0:0: it has 65536 bytes, the manifest says 131072');
  });

  it('follows no link out of the backup, and waits for no pipe', async () => {
    await writeBackup(join(root, 'link'), 'link');
    await rename(join(root, 'link/virtio0-0.raw'), join(root, 'elsewhere.raw'));
    await symlink('../elsewhere.raw', join(root, 'link/virtio0-0.raw'));
    expect((await everthaw('verify', join(root, 'link'))).stdout).toContain(
      'virtio0-0.raw is a link to elsewhere',
    );
    await writeBackup(join(root, 'pipe'), 'pipe');
    await rm(join(root, 'pipe/manifest.json'));
    await run('mkfifo', [join(root, 'pipe/manifest.json')]);
    expect((await everthaw('verify', join(root, 'pipe'))).stdout).toContain('its manifest cannot be read');
  });
});

describe('a backup that is forgotten while it is verified', () => {
  it('is not called bad', async () => {
    const directory = join(root, 'web');
    await writeBackup(directory, 'web');
    const forget = (): void => {
      if (existsSync(directory)) renameSync(directory, `${directory}.forgotten-${randomUUID()}`);
    };
    const verified = verifyRestorePoint(localBackup(directory), forget, new AbortController().signal);
    expect(await verified).toMatchObject({
      state: 'unknown',
      unseen: ['it is there no more: somebody moved or forgot it'],
    });
  });
});

describe('a manifest', () => {
  it.each(['../x', '/etc/passwd', 'a/b', '..', '.', '', 'a\0b'])(
    'that names the file %j is refused',
    async (path) => {
      await writeBackup(join(root, 'b'), 'web', (manifest) => ({
        ...manifest,
        files: [...manifest.files, { ...manifest.files[0], path }],
      }));
      await expect(readManifest(join(root, 'b'))).rejects.toMatchObject({ code: 'BackupDamaged' });
    },
  );

  it.each(['../../x:0', 'scsi0', 'scsi0:0/..', ''])('that names the disk %j is refused', async (label) => {
    await writeBackup(join(root, 'b'), 'web', (manifest) => ({
      ...manifest,
      disks: manifest.disks.map((disk) => ({ ...disk, label })),
    }));
    await expect(readManifest(join(root, 'b'))).rejects.toMatchObject({ code: 'BackupDamaged' });
  });

  it('of garbage gives one clear error, on one line', async () => {
    const file = join(root, 'manifest.json');
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
        await writeFile(file, text);
        const error: unknown = await readManifest(root).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(EverthawError);
        expect(error).toMatchObject({ code: 'BackupDamaged' });
        expect((error as Error).message).not.toMatch(/[\r\n]/);
      }),
      { numRuns: 200 },
    );
  });

  it('cannot be as large as memory', async () => {
    await writeBackup(join(root, 'b'), 'web');
    await appendFile(join(root, 'b/manifest.json'), Buffer.alloc(65 * 1024 * 1024, ' '));
    await expect(readManifest(join(root, 'b'))).rejects.toMatchObject({
      why: expect.stringContaining('EFBIG') as string,
    });
  });
});
