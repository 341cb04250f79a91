import { mkdir, readdir, rm, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { tar } from '../../src/integrations/tar.js';
import { run } from '../lab/run.js';
import { MIB } from '../volumes/images.js';
import { makePoint, volumeAt, type Made } from './fileBackup.js';
import { ownDirectory, verified } from './ownDirectory.js';

const { at, files, get } = ownDirectory();

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
