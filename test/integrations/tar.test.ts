import { mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { tar } from '../../src/integrations/tar.js';
import { EVERTHAW } from '../lab/programs.js';
import { refusal } from '../lab/refusal.js';
import { run } from '../lab/run.js';
import { makeTree, MIB, treeOf } from '../volumes/images.js';
import { CHANGES } from './changes.js';
import { makePoint, volumeAt, type Made } from './fileBackup.js';
import { ownDirectory, verified } from './ownDirectory.js';

const { at, files, get } = ownDirectory();

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
