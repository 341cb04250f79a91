import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localBackup } from '../../src/destinations/storedBackup.js';
import { verifyRestorePoint } from '../../src/destinations/verifyRestorePoint.js';
import { tar } from '../../src/integrations/tar.js';
import { EVERTHAW } from '../lab/programs.js';
import { refusal } from '../lab/refusal.js';
import { run, type Ran } from '../lab/run.js';
import { filesIn } from '../volumes/imageBackup.js';
import { makeTree, MIB, treeOf } from '../volumes/images.js';
import { CHANGES } from './changes.js';
import { makePoint, volumeAt, type Made } from './fileBackup.js';

let directory: string;
let files: (...words: readonly string[]) => Promise<Ran>;
let copies = 0;

const at = (...names: readonly string[]): string => join(directory, ...names);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-tar-'));
  files = filesIn(at('state'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Copies out of a restore point into a new directory, and says where. */
async function get(
  backup: string,
  ...paths: readonly string[]
): Promise<{ readonly to: string; readonly ran: Ran }> {
  const to = at(`copy${++copies}`);
  return { to, ran: await files('get', backup, ...paths, '--to', to) };
}

async function verified(backup: string) {
  return verifyRestorePoint(localBackup(backup), () => undefined, new AbortController().signal);
}

describe('one full backup and five incremental ones', () => {
  const tree = (): string => at('chain/tree');
  const made: Made[] = [];
  const seen: string[] = [];

  beforeAll(async () => {
    await makeTree(tree());
    const back = async (kind: 'full' | 'incremental'): Promise<void> => {
      seen.push(await treeOf(tree()));
      made.push(await makePoint(at('chain'), { module: tar, kind, volumes: [volumeAt(tree(), '/')] }));
    };
    await back('full');
    for (const change of CHANGES) {
      await change(tree());
      await back('incremental');
    }
  });

  it('come back as the guest was at each: content, mode, owner, times, links, holes, attributes, access lists', async () => {
    for (const [n, { directory: point }] of made.entries()) {
      const { to, ran } = await get(point, '/');
      expect(ran, ran.stderr + ran.stdout).toMatchObject({ code: 0, stderr: '' });
      expect(await treeOf(join(to, 'volumes')), `point ${n}`).toBe(seen[n]);
    }
  });

  it('are kept in archives that GNU tar alone restores, one after the other', async () => {
    const to = at('by-hand');
    await mkdir(to);
    for (const [n, { directory: point }] of made.entries()) {
      await run('tar', [
        ...['--extract', '--incremental', '--numeric-owner', '-p', '--acls', '--xattrs'],
        ...['-f', join(point, '%2F.tar'), '-C', to],
      ]);
      expect(await treeOf(to), `point ${n}`).toBe(seen[n]);
    }
  });

  it('hold each what changed only, and keep holes as such', async () => {
    const sizes = await Promise.all(
      made.map(async (point) => (await stat(join(point.directory, '%2F.tar'))).size),
    );
    expect(sizes[0]).toBeGreaterThan(MIB);
    expect(sizes[0]).toBeLessThan(2 * MIB);
    for (const size of sizes.slice(1, 4)) expect(size).toBeLessThan(MIB / 4);
    expect(made.map(({ kind }) => kind)).toEqual(['file-full', ...CHANGES.map(() => 'file-incremental')]);
  });

  it('give single files and directories back, with those above them as they were', async () => {
    const { to, ran } = await get(made[2]!.directory, '/srv/renamed/er', '/srv/data/plain');
    expect(ran.code, ran.stderr).toBe(0);
    const of = await run('sh', ['-c', 'cd "$1" && find . -type f | sort', 'sh', join(to, 'volumes')]);
    expect(of.stdout).toBe('./srv/data/plain\n./srv/renamed/er/file\n');
    expect(refusal(await files('get', made[2]!.directory, '/srv/deep', '--to', at('never')))).toContain(
      'there is no deep in /srv',
    );
    expect(await readdir(at('chain'))).not.toContain('never');
  });

  it('list what stood in a directory at each, wherever its files are archived', async () => {
    const { stdout, code } = await files('ls', made[1]!.directory, '/srv/data', '--json');
    expect(code).toBe(0);
    const entries = stdout
      .trim()
      .split('\n')
      .map(
        (line) => JSON.parse(line) as { name: string; type: string; target?: string; nameBase64?: string },
      );
    expect(entries.map(({ name }) => name)).toEqual([
      ...['absolute', 'holes', 'l'.repeat(255), 'loop', 'new', 'plain', 'second name', 'upwards'],
      ...['with\nnewline', '日本語 ü', '\ufffd\ufffdA'],
    ]);
    expect(entries.find(({ name }) => name === 'absolute')).toMatchObject({
      type: 'link',
      target: '/etc/shadow',
    });
    expect(entries.at(-1)).toMatchObject({ nameBase64: '//5B', type: 'file' });
  });

  it('are listed and shown like other backups, and refused where a VM is to be made of them', async () => {
    const list = await run(process.execPath, [EVERTHAW, 'list', at('chain'), '--json'], {});
    expect(
      list.stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { kind: string }).kind),
    ).toEqual(made.map(({ kind }) => kind));
    const show = await run(process.execPath, [EVERTHAW, 'show', made[1]!.directory], {});
    expect(show.stdout).toContain(`built on        ${basename(made[0]!.directory)}`);
    const restore = await run(
      process.execPath,
      [EVERTHAW, 'restore', made[0]!.directory, '--host', 'qemu:///system'],
      { mayFail: true, env: { ...process.env, EVERTHAW_STATE: at('state') } },
    );
    expect(refusal(restore, 2)).toContain(
      'it is a file-level backup (file-full): it holds files, and no disk',
    );
  });

  it('are good as long as all that they are built on is, and bad with what is bad', async () => {
    for (const { directory: point } of made)
      expect(await verified(point)).toMatchObject({ state: 'good', faults: [] });
    const archive = join(made[1]!.directory, '%2F.tar');
    const flip = async (): Promise<void> => {
      const handle = await open(archive, 'r+');
      const byte = Buffer.alloc(1);
      await handle.read(byte, 0, 1, 600);
      byte[0]! ^= 1;
      await handle.write(byte, 0, 1, 600);
      await handle.close();
    };
    await flip();
    expect(await verified(made[1]!.directory)).toMatchObject({ state: 'bad' });
    const above = await verified(made[3]!.directory);
    expect(above.state).toBe('bad');
    expect(above.faults.join()).toMatch(/its base ".*": %2F\.tar is not what was backed up: SHA-256/);
    await flip();
    const away = `${made[2]!.directory}-away`;
    await rename(made[2]!.directory, away);
    const without = await verified(made[5]!.directory);
    expect(without.faults.join()).toContain(
      `its base "${basename(made[2]!.directory)}" is missing or damaged`,
    );
    expect(refusal(await files('ls', made[4]!.directory, '/srv'))).toContain('is missing or damaged');
    await rename(away, made[2]!.directory);
  });
});

describe('a differential backup', () => {
  it('holds what changed since the full one, whatever was made in between', async () => {
    const tree = at('differential/tree');
    await makeTree(tree);
    const volumes = [volumeAt(tree, '/')];
    const full = await makePoint(at('differential'), { module: tar, kind: 'full', volumes });
    for (const change of CHANGES.slice(0, 2)) {
      await change(tree);
      await makePoint(at('differential'), { module: tar, kind: 'incremental', volumes });
    }
    const point = await makePoint(at('differential'), { module: tar, kind: 'differential', volumes });
    expect(point).toMatchObject({ kind: 'file-differential', base: { directory: basename(full.directory) } });
    const { to } = await get(point.directory, '/');
    expect(await treeOf(join(to, 'volumes'))).toBe(await treeOf(tree));
  });
});

describe('where there is nothing to build on, a full backup is made, and says why', () => {
  const cases: readonly [
    string,
    string,
    (full: Made, root: string) => Promise<Partial<Parameters<typeof makePoint>[1]>>,
  ][] = [
    [
      'nothing was made before',
      'there is no file-level backup of this VM by tar to build on',
      async (full) => {
        await rm(full.directory, { recursive: true });
        return {};
      },
    ],
    [
      'the last one has lost a file',
      '%2F.tar is missing',
      async (full) => {
        await rm(join(full.directory, '%2F.tar'));
        return {};
      },
    ],
    [
      'its listing is not what was written',
      'is not what was written',
      async (full) => {
        const { size } = await stat(join(full.directory, '%2F.snar'));
        await writeFile(join(full.directory, '%2F.snar'), 'x'.repeat(size));
        return {};
      },
    ],
    [
      'the patterns are others',
      'it was made with other patterns',
      () => Promise.resolve({ exclude: ['*.tmp'] }),
    ],
    [
      'the volumes are others',
      'it is of other volumes',
      (_, root) => Promise.resolve({ volumes: [{ ...volumeAt(join(root, 'tree'), '/'), uuid: 'another' }] }),
    ],
    [
      'it is of another VM',
      'there is no file-level backup of this VM',
      () => Promise.resolve({ vmUuid: 'another' }),
    ],
    [
      'the volume went back in time',
      'it went back in time',
      async (_, root) => {
        // A tree whose every change is older: as of a VM that was reverted.
        await rm(join(root, 'tree'), { recursive: true });
        return { volumes: [volumeAt(join(root, 'older'), '/')] };
      },
    ],
  ];
  for (const [n, [name, why, spoil]] of cases.entries())
    it(`as ${name}`, async () => {
      const root = at(`forced${n}`);
      for (const tree of ['older', 'tree']) {
        await mkdir(join(root, tree), { recursive: true });
        await writeFile(join(root, tree, 'file'), 'content');
        // Longer than the kernel's clock for time stamps stands still.
        await sleep(20);
      }
      const asked = { module: tar, volumes: [volumeAt(join(root, 'tree'), '/')] };
      const full = await makePoint(root, { ...asked, kind: 'full' });
      const changed = await spoil(full, root);
      const made = await makePoint(root, { ...asked, kind: 'incremental', ...changed });
      expect(made.kind).toBe('file-full');
      expect(made.base).toBeUndefined();
      expect(made.fullBecause).toContain(why);
      expect(await verified(made.directory)).toMatchObject({ state: 'good' });
    });
});

describe('what is chosen', () => {
  it('is backed up and nothing else, whichever volume it is on', async () => {
    const root = at('chosen');
    const system = join(root, 'system');
    for (const path of ['etc/app', 'srv/data/cache', 'srv/other', 'home'])
      await mkdir(join(system, path), { recursive: true });
    await mkdir(join(root, 'mail/new'), { recursive: true });
    for (const path of [
      'system/etc/app/conf',
      'system/etc/passwd',
      'system/srv/data/a.tmp',
      'system/srv/data/b',
    ])
      await writeFile(join(root, path), path);
    for (const path of [
      'system/srv/data/cache/c',
      'system/srv/other/d',
      'system/home/e',
      'mail/new/f',
      'mail/[x]*',
    ])
      await writeFile(join(root, path), path);
    const volumes = [volumeAt(system, '/'), volumeAt(join(root, 'mail'), '/srv/data/mail')];
    const asked = {
      module: tar,
      volumes,
      include: ['/srv/data', '/etc/passwd'],
      exclude: ['*.tmp', '/srv/*/cache', '/srv/data/mail/[x]?', '/nowhere', 'D:\\Temp'],
    };
    const full = await makePoint(root, { ...asked, kind: 'full' });
    await writeFile(join(system, 'etc/passwd'), 'changed');
    await writeFile(join(system, 'srv/other/d'), 'changed');
    await unlink(join(system, 'srv/data/b'));
    await writeFile(join(system, 'srv/data/g'), 'new');
    const point = await makePoint(root, { ...asked, kind: 'incremental' });
    const found = async (backup: string): Promise<string> => {
      const { to, ran } = await get(backup, '/');
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
      return (await run('sh', ['-c', 'cd "$1" && find . -type f | sort', 'sh', to])).stdout;
    };
    const mail = './volumes/srv/data/mail/new/f\n';
    expect(await found(full.directory)).toBe(`./volumes/etc/passwd\n./volumes/srv/data/b\n${mail}`);
    expect(await found(point.directory)).toBe(`./volumes/etc/passwd\n./volumes/srv/data/g\n${mail}`);
    const ls = await files('ls', point.directory, '/srv', '--json');
    expect(
      ls.stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { name: string }).name),
    ).toEqual(['data']);
  });

  it('has to be there', async () => {
    await mkdir(at('absent/tree'), { recursive: true });
    await symlink('/etc', at('absent/tree/link'));
    const volumes = [volumeAt(at('absent/tree'), '/')];
    for (const [include, why] of [
      ['/nothing', 'there is no nothing in /'],
      ['/link/passwd', '/link is a link'],
      ['D:\\Data', 'no volume of the backup is called so'],
    ] as const)
      await expect(
        makePoint(at('absent'), { module: tar, kind: 'full', volumes, include: [include] }),
      ).rejects.toThrow(why);
  });
});

describe('what is not called good', () => {
  it('is a backup of files of which one could not be read', async () => {
    // A file of the kernel's that not even root reads.
    const volumes = [volumeAt('/proc/sys/net/ipv4/route', '/')];
    const making = makePoint(at('unread'), { module: tar, kind: 'full', volumes });
    await expect(making).rejects.toThrow(/tar ended with 2: .*\.\/flush: Cannot open: Permission denied/);
    expect(await readdir(at('unread/vm-files'))).toEqual([expect.stringContaining('.partial-')]);
  });

  it('is one that was cancelled: no tar is left, and no manifest', async () => {
    const root = at('cancelled');
    await mkdir(join(root, 'tree'), { recursive: true });
    await writeFile(join(root, 'tree/large'), Buffer.alloc(64 * MIB, 'x'));
    await truncate(join(root, 'tree/large'), 256 * MIB);
    const abort = new AbortController();
    const making = makePoint(root, {
      ...{
        module: slow(() => {
          abort.abort(new Error('enough'));
        }),
        kind: 'full',
      },
      ...{ volumes: [volumeAt(join(root, 'tree'), '/')], signal: abort.signal },
    });
    await expect(making).rejects.toThrow('enough');
    const left = await readdir(join(root, 'vm-files'));
    expect(left).toEqual([expect.stringContaining('.partial-')]);
    expect(await readdir(join(root, 'vm-files', left[0]!))).not.toContain('manifest.json');
    const processes = await run(
      'sh',
      [
        '-c',
        'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -F "$1" | grep -v grep',
        'sh',
        join(root, 'tree'),
      ],
      { mayFail: true },
    );
    expect(processes.stdout).toBe('');
  });
});

/** tar that says when it has begun. */
function slow(begun: () => void): typeof tar {
  return {
    ...tar,
    move: (order, signal, tell) => {
      const moving = tar.move(order, signal, tell);
      setTimeout(begun, 100);
      return moving;
    },
  };
}
