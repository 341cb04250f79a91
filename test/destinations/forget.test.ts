import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/system/until.js';
import { writeBackup } from '../lab/backupDirectory.js';
import { EVERTHAW } from '../lab/programs.js';
import { run, type Ran } from '../lab/run.js';
import { LabSshd } from '../lab/sshd.js';
import { Terminal } from '../lab/terminal.js';
import { DB, WEB, ownerOf, nightlyBackups } from './nightlyBackups.js';

const { environment, everthaw, make, makeNights, root, standing } = nightlyBackups();

describe('everthaw forget', () => {
  it('forgets what no rule keeps, by the VM’s uuid and never by name, and says why of each', async () => {
    await makeNights(4);
    // Another VM of that name, and the same one after it was renamed.
    await make('other-1', '2026-11-11T01:00:00Z', { uuid: WEB });
    await make('deep/er/renamed', '2026-11-15T01:00:00Z', { vm: 'orders' });
    await writeFile(join(root(), 'mine.txt'), 'mine');
    const before = await standing();
    const words = ['forget', root(), '--keep-daily', '2'];

    const dry = await everthaw(...words, '--dry-run');
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    const lines = dry.stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^ +VM +uuid +point \(UTC\) +age +size +directory +because$/);
    expect(
      lines.slice(1).map((line) => line.replace(/ {2,}/g, '  ').replace(/\d+ [dh] {2}64 KiB/, 'AGE')),
    ).toEqual([
      `forget  db  50c429f0  2026-11-11 01:00:00  AGE  ${root()}/db-1  daily: 2026-11-11 is behind the last 2`,
      `forget  db  50c429f0  2026-11-12 01:00:00  AGE  ${root()}/db-2  daily: 2026-11-12 is behind the last 2`,
      `forget  db  50c429f0  2026-11-13 01:00:00  AGE  ${root()}/db-3  daily: 2026-11-13 is behind the last 2`,
      `keep  db  50c429f0  2026-11-14 01:00:00  AGE  ${root()}/db-4  daily: 2026-11-14`,
      `keep  orders  50c429f0  2026-11-15 01:00:00  AGE  ${root()}/deep/er/renamed  the newest; daily: 2026-11-15`,
      `keep  db  50c429f0  2026-11-11 01:00:00  AGE  ${root()}/other-1  the newest; daily: 2026-11-11`,
    ]);
    expect(await standing()).toEqual(before);

    const ran = await everthaw(...words, '--yes');
    expect(ran).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/\n3 removed\n$/) as string,
    });
    expect(await standing()).toEqual(['db-4', 'deep', 'mine.txt', 'other-1']);
    expect((await readdir(join(root(), 'db-4'))).toSorted()).toEqual([
      'catalog',
      'manifest.json',
      'virtio0-0.raw',
    ]);
    expect((await everthaw(...words, '--vm', WEB, '--dry-run')).stdout.trimEnd().split('\n')).toHaveLength(2);

    const again = await everthaw(...words, '--yes', '--json');
    const objects = again.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { forget: boolean });
    expect(objects.map(({ forget }) => forget)).toEqual([false, false, false]);
    expect(await standing()).toEqual(['db-4', 'deep', 'mine.txt', 'other-1']);
  });

  it('is refused without a rule, with one that cannot be read, and where nobody can be asked', async () => {
    await makeNights(2);
    for (const [words, why] of [
      [['--yes'], 'no rule says what is kept'],
      [['--keep-last', '0', '--yes'], '"0" is no whole number from 1'],
      [['--keep-within', '2026-11-01', '--yes'], 'no number of hours, days or weeks'],
      [['--keep-last', '1', '--time-zone', 'Mars/Olympus', '--yes'], 'a time zone, as Europe/Berlin'],
      [['--keep-last', '1'], 'nobody can be asked here'],
    ] as const) {
      const ran = await everthaw('forget', root(), ...words);
      expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining(why) as string });
    }
    expect(await standing()).toEqual(['db-1', 'db-2']);
  });

  it('asks on a terminal, and takes no answer for no', async () => {
    await makeNights(2);
    const command = `'${process.execPath}' '${EVERTHAW}' forget '${root()}' --keep-last 1`;
    for (const [answer, stands] of [
      ['\r', ['db-1', 'db-2']],
      ['y\r', ['db-2']],
    ] as const) {
      const terminal = new Terminal(command, environment());
      await terminal.until(/forget 1 of 2 backups \(64 KiB\)\? \[y\/N\] /);
      terminal.type(answer);
      expect(await terminal.end()).toBe(0);
      expect(await standing()).toEqual(stands);
    }
  });

  it('touches nothing that it does not know for a backup that nobody owns, and counts none of it', async () => {
    await makeNights(3);
    await make('damaged', '2026-11-19T01:00:00Z');
    await writeFile(join(root(), 'damaged/virtio0-0.raw'), 'short');
    await make('linked', '2026-11-19T02:00:00Z');
    await rename(join(root(), 'linked/virtio0-0.raw'), join(root(), 'elsewhere.raw'));
    await symlink('../elsewhere.raw', join(root(), 'linked/virtio0-0.raw'));
    await writeBackup(join(root(), 'foreign'), 'db', () => ({ format: 'somebody/7' }));
    await make('staged', '2026-11-19T03:00:00Z');
    await writeFile(join(root(), 'staged/.everthaw-owner'), ownerOf(DB, '2026-11-19T03:00:00Z'));
    await make('noted', '2026-11-10T01:00:00Z');
    await mkdir(join(root(), 'noted/notes'));
    await writeFile(join(root(), 'noted/notes/db.txt'), 'mine');
    await make('timeless', 'last Tuesday');
    const partial = `db.partial-${randomUUID()}`;
    await make(partial, '2026-11-19T04:00:00Z');
    const named = `theirs.forgotten-${randomUUID()}`;
    await mkdir(join(root(), named));
    await writeFile(join(root(), named, 'theirs'), 'theirs');
    await symlink(join(root(), 'db-3'), join(root(), 'link'));

    const { code, stdout } = await everthaw('forget', root(), '--keep-last', '1', '--yes');
    expect(code).toBe(0);
    expect(await standing()).toEqual(
      [
        'damaged',
        partial,
        'db-3',
        'elsewhere.raw',
        'foreign',
        'link',
        'linked',
        'noted',
        'staged',
        named,
        'timeless',
      ].toSorted(),
    );
    expect(await readFile(join(root(), 'noted/notes/db.txt'), 'utf8')).toBe('mine');
    for (const told of [
      /^untouched: .*\/damaged: virtio0-0\.raw is not what was backed up/m,
      /^untouched: .*\/linked: virtio0-0\.raw is a link/m,
      /^untouched: .*\/foreign: its manifest is not one of ours/m,
      /^untouched: .*\/staged: a run owns it$/m,
      /^untouched: .*\/timeless: its point in time is no time: last Tuesday$/m,
      /^untouched: .*\.partial-.*: it is not finished$/m,
      /^keep .*\/noted .*it holds notes, which is none of its files$/m,
    ])
      expect(stdout).toMatch(told);
  });

  it('forgets nothing of a VM while a backup of it is dated in the future, or an unfinished one is its newest', async () => {
    await makeNights(2);
    await make('web-1', '2026-11-11T01:00:00Z', { uuid: WEB });
    await make('web-2', '2026-11-12T01:00:00Z', { uuid: WEB });
    await make('future', '2126-11-12T01:00:00Z');
    const partial = join(root(), `web.partial-${randomUUID()}`);
    await mkdir(partial);
    await writeFile(join(partial, '.everthaw-owner'), ownerOf(WEB, '2026-11-13T01:00:00Z'));
    const words = ['forget', root(), '--keep-last', '1', '--yes'];

    const all = await standing();
    const { stdout } = await everthaw(...words);
    expect(stdout).toMatch(
      /\/db-1 .*nothing of this VM is forgotten: a restore point of it is dated in the future/,
    );
    expect(stdout).toMatch(/\/web-1 .*nothing of this VM is forgotten: its last run has not finished \//);
    expect(await standing()).toEqual(all);

    await rm(partial, { recursive: true });
    await rm(join(root(), 'future'), { recursive: true });
    await everthaw(...words);
    expect(await standing()).toEqual(['db-2', 'web-2']);
  });

  it('goes into no other file system that is mounted below', async () => {
    await makeNights(2);
    await make('volume/db', '2026-11-19T01:00:00Z');
    // A namespace of its own takes the mount with it, and needs no root().
    const script = `mount -t tmpfs none '${root()}/mounted' && cp -a '${root()}/volume/.' '${root()}/mounted' && rm -r '${root()}/volume' && exec "$@"`;
    await mkdir(join(root(), 'mounted'));
    const words = ['forget', root(), '--keep-last', '1', '--yes'];
    const unshare = ['--user', '--map-root-user', '--mount', 'sh', '-ec', script, 'sh'];
    const ran = await run('unshare', [...unshare, process.execPath, EVERTHAW, ...words], {
      env: environment(),
    });
    expect(ran.stdout).not.toContain('mounted');
    expect(await standing()).toEqual(['db-2', 'mounted']);
  });

  it('counts a directory once that is named twice', async () => {
    await makeNights(2);
    await symlink(root(), join(tmpdir(), `${root().split('/').at(-1) ?? ''}-link`));
    const link = join(tmpdir(), `${root().split('/').at(-1) ?? ''}-link`);
    try {
      await everthaw('forget', root(), link, '--keep-last', '1', '--yes');
      expect(await standing()).toEqual(['db-2']);
    } finally {
      await rm(link);
    }
  });

  it('two at once, of one mind or not, leave what both keep and nothing half removed', async () => {
    await makeNights(6);
    const ran = await Promise.all([
      everthaw('forget', root(), '--keep-last', '2', '--yes'),
      everthaw('forget', root(), '--keep-last', '2', '--yes'),
      everthaw('forget', root(), '--keep-daily', '4', '--yes'),
    ]);
    expect(ran.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
      [0, ''],
    ]);
    expect(await standing()).toEqual(['db-5', 'db-6']);
  });

  it('that is killed in the middle of a removal is gone on with by the next, and what is left is no backup', async () => {
    await makeNights(3);
    // Removes one file, says so, and hangs, as a disk may.
    const [bin, begun, end] = [
      join(root(), '.state/bin'),
      join(root(), '.state/begun'),
      join(root(), '.state/end'),
    ];
    await mkdir(bin, { recursive: true });
    const rmProgram = (await run('sh', ['-c', 'command -v rm'])).stdout.trim();
    const hanging = `#!/bin/sh\n'${rmProgram}' -f -- "$3"\n: > '${begun}'\nwhile [ ! -e '${end}' ]; do sleep 0.05; done\n`;
    await writeFile(join(bin, 'rm'), hanging, { mode: 0o755 });
    const env = environment({ PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` });
    const words = ['forget', root(), '--keep-last', '1', '--yes'];
    const child = spawn(process.execPath, [EVERTHAW, ...words], { env, stdio: 'ignore' });
    const exited = once(child, 'exit');
    await until(() => Promise.resolve(existsSync(begun)), AbortSignal.timeout(30_000));
    child.kill('SIGKILL');
    await exited;
    await writeFile(end, '');

    const left = (await standing()).find((name) => name.startsWith('db-2.forgotten-')) ?? '';
    expect(await standing()).toEqual(['db-1', left, 'db-3']);
    expect(await readdir(join(root(), left))).not.toContain('virtio0-0.raw');
    const listed = await everthaw('list', root());
    expect(listed.code).toBe(0);
    expect(listed.stdout).toMatch(
      /^removing: .*\/db-2\.forgotten-.*: it was forgotten, and is being removed/m,
    );
    expect(listed.stdout).not.toMatch(/damaged|partial/);

    expect((await everthaw(...words, '--dry-run')).stdout).toMatch(/^removing: .*\/db-2\.forgotten-/m);
    expect(await everthaw(...words)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/\n2 removed\n$/) as string,
    });
    expect(await standing()).toEqual(['db-3']);
  });
});

describe('on another machine', () => {
  let sshd: LabSshd;

  beforeAll(async () => {
    sshd = await LabSshd.start();
  });

  afterAll(() => sshd.stop());

  function far(...args: readonly string[]): Promise<Ran> {
    return run(process.execPath, [EVERTHAW, ...args], { env: environment(sshd.environment), mayFail: true });
  }

  it('forgets, protects and ends what was cut off there', async () => {
    await makeNights(5);
    await make('noted', '2026-11-10T01:00:00Z');
    await writeFile(join(root(), 'noted/it’s "$(touch pwned)"'), 'mine');
    await rename(join(root(), 'db-1'), join(root(), `db-1.forgotten-${randomUUID()}`));
    const url = sshd.scpUrl(root());
    const partial = join(root(), `web.partial-${randomUUID()}`);
    await mkdir(partial);
    await writeFile(join(partial, '.everthaw-owner'), ownerOf(WEB, '2026-11-13T01:00:00Z'));
    await make('web-1', '2026-11-11T01:00:00Z', { uuid: WEB });
    await make('web-2', '2026-11-12T01:00:00Z', { uuid: WEB });

    expect(await far('protect', `${url}/db-2`, '--reason', 'it’s old')).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await far('show', `${url}/db-2`)).stdout).toMatch(/^protected {7}it’s old$/m);
    const listed = (await far('list', url)).stdout;
    expect(listed).toMatch(/^protected: .*\/db-2: it’s old$/m);
    expect(listed).toMatch(/^removing: .*\/db-1\.forgotten-/m);

    const ran = await far('forget', url, '--keep-last', '2', '--yes');
    expect(ran).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/\n2 removed\n$/) as string,
    });
    expect(ran.stdout).toMatch(/\/web-1 .*its last run has not finished scp:/);
    expect(ran.stdout).toMatch(/\/noted .*it holds it’s/);
    expect(await standing()).toEqual(
      ['db-2', 'db-4', 'db-5', 'noted', 'web-1', 'web-2', partial.split('/').at(-1)].toSorted(),
    );
    expect((await far('list', `${url}/db-4`)).code).toBe(0);
  });
});
