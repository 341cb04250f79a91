import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localBackup } from '../../src/destinations/storedBackup.js';
import { verifyRestorePoint } from '../../src/destinations/verifyRestorePoint.js';
import type { IntegrationModule } from '../../src/integrations/module.js';
import { rclone } from '../../src/integrations/rclone.js';
import { until } from '../../src/system/until.js';
import { EVERTHAW } from '../lab/programs.js';
import { refusal } from '../lab/refusal.js';
import { run, type Ran } from '../lab/run.js';
import { filesIn } from '../volumes/imageBackup.js';
import { makeTree, treeOf } from '../volumes/images.js';
import { makePoint, volumeAt, type Made } from './fileBackup.js';

let directory: string;
let module: IntegrationModule;
let environment: NodeJS.ProcessEnv;
let files: (...words: readonly string[]) => Promise<Ran>;
let copies = 0;

const at = (...names: readonly string[]): string => join(directory, ...names);

async function get(
  backup: string,
  ...paths: readonly string[]
): Promise<{ readonly to: string; readonly ran: Ran }> {
  const to = at(`copy${++copies}`);
  return { to, ran: await files('get', backup, ...paths, '--to', to) };
}

/** Points of which anything is at the destination. */
async function carried(): Promise<readonly string[]> {
  return readdir(at('vault/vm-files')).catch(() => []);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-rclone-'));
  await mkdir(at('vault'));
  // A remote as a user has it: rclone does not know that it is this machine.
  await writeFile(at('rclone.conf'), `[vault]\ntype = alias\nremote = ${at('vault')}\n`);
  module = rclone({ place: 'vault:', configFile: at('rclone.conf') });
  environment = { EVERTHAW_RCLONE_DESTINATION: 'vault:', RCLONE_CONFIG: at('rclone.conf') };
  files = filesIn(at('state'), environment);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe('a backup of files by rclone', () => {
  const tree = (): string => at('tree');
  let made: Made;

  beforeAll(async () => {
    await makeTree(tree());
    // What it says that it does not keep.
    await unlink(join(tree(), 'srv/data/second name'));
    await run('setfacl', ['-b', join(tree(), 'srv/data/many')]);
    await mkdir(join(tree(), 'srv/empty'), { mode: 0o1750 });
    await chmod(join(tree(), 'srv/empty'), 0o1750);
    await mkdir(join(tree(), 'srv/x'));
    await writeFile(join(tree(), 'srv/x/passwd'), 'of the guest');
    await writeFile(join(tree(), 'srv/x.rclonelink'), '/etc');
    // Names that rclone would change, some of them to one and the same.
    for (const name of [
      [0xff],
      [0xfe],
      [0xef, 0xbf, 0xbd],
      Buffer.from('\u240a'),
      Buffer.from('\n'),
      Buffer.from('\u201b'),
    ])
      await writeFile(
        Buffer.concat([Buffer.from(join(tree(), 'srv/x/')), Buffer.from(name)]),
        Buffer.from(name),
      );
    await mkdir(join(tree(), 'srv/of \uff0f'));
    await writeFile(join(tree(), 'srv/of \uff0f/plain'), 'below it');
    made = await makePoint(directory, { module, kind: 'full', volumes: [volumeAt(tree(), '/')] });
  });

  it('comes back as the guest was: content, mode, owner, times, links, attributes, empty directories', async () => {
    const { to, ran } = await get(made.directory, '/');
    expect(ran, ran.stderr + ran.stdout).toMatchObject({ code: 0, stderr: '' });
    expect(await treeOf(join(to, 'volumes'))).toBe(await treeOf(tree()));
    // As bytes, for not all of them are characters.
    const names = async (of: string): Promise<string> =>
      (await run('sh', ['-c', 'cd "$1" && find . -print0 | LC_ALL=C sort -z | od -An -tx1', 'sh', of]))
        .stdout;
    expect(await names(join(to, 'volumes'))).toBe(await names(tree()));
    expect(made.notKept.join()).toContain('several names of one file become files of their own');
  });

  it('is files at the destination, as the guest has them', async () => {
    const place = at('vault/vm-files', basename(made.directory), '%2F');
    expect(await readFile(join(place, 'srv/x/passwd'), 'utf8')).toBe('of the guest');
  });

  it('is listed as the guest has it, and what is not there is told', async () => {
    const ran = await files('ls', made.directory, '/srv/data', '--json');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const entries = ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const plain = { name: 'plain', type: 'file', sizeBytes: 6, mode: '0640', uid: 0, gid: 0 };
    expect(entries).toContainEqual({ ...plain, modified: '2021-03-04T05:06:08.000Z' });
    const upwards = { name: 'upwards', type: 'link', target: '../../../../../../etc' };
    expect(entries).toContainEqual(expect.objectContaining(upwards));
    const one = await get(made.directory, '/srv/data/plain', '/srv/empty');
    expect((await readdir(join(one.to, 'volumes/srv'))).toSorted()).toEqual(['data', 'empty']);
    expect(await readdir(join(one.to, 'volumes/srv/data'))).toEqual(['plain']);
    expect(refusal(await files('ls', made.directory, '/srv/nothing'))).toContain(
      'there is no nothing in /srv',
    );
  });

  it('is not known to be good without rclone, and is read from no other place than the one that is named', async () => {
    const verified = await verifyRestorePoint(
      localBackup(made.directory),
      () => undefined,
      new AbortController().signal,
    );
    expect(verified).toMatchObject({ state: 'unknown', faults: [] });
    const elsewhere = filesIn(at('state'), { EVERTHAW_RCLONE_DESTINATION: '/elsewhere' });
    expect(refusal(await elsewhere('ls', made.directory, '/'), 2)).toContain('what is named is "/elsewhere"');
  });

  it('tells of each file that is not at the destination any more, and copies the rest', async () => {
    const place = at('vault/vm-files', basename(made.directory), '%2F/srv');
    await rm(join(place, 'data/plain'));
    await writeFile(join(place, 'x/passwd'), 'short');
    const { to, ran } = await get(made.directory, '/');
    expect(ran).toMatchObject({ code: 3 });
    expect(ran.stdout).toContain('failed: /: srv/data/plain is not where rclone copied it');
    expect(ran.stdout).toContain('failed: /: srv/x/passwd has 5 bytes there, and had 12');
    expect(await readdir(join(to, 'volumes/srv/data'))).toContain('many');
  });

  it('holds what was chosen only, whatever the names', async () => {
    const chosen = at('chosen/tree');
    await mkdir(join(chosen, 'srv/in/sub'), { recursive: true });
    await mkdir(join(chosen, 'other'));
    for (const name of ['keep', 'left.tmp', '[a]', '{b}', '#x', 'sub/deep.tmp', 'sub/deep'])
      await writeFile(join(chosen, 'srv/in', name), name);
    await symlink('keep', join(chosen, 'srv/in/link.tmp'));
    await symlink('keep', join(chosen, 'srv/in/link'));
    const point = await makePoint(at('chosen'), {
      ...{ module, kind: 'full', volumes: [volumeAt(chosen, '/')] },
      include: ['/srv'],
      exclude: ['*.tmp', '/srv/in/[a]', '{b}', '#x'],
    });
    const { to, ran } = await get(point.directory, '/');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await readdir(join(to, 'volumes'))).toEqual(['srv']);
    expect((await readdir(join(to, 'volumes/srv/in'))).toSorted()).toEqual(['keep', 'link', 'sub']);
    expect(await readdir(join(to, 'volumes/srv/in/sub'))).toEqual(['deep']);
  });
});

describe('rclone', () => {
  const volumes = () => [volumeAt(at('small'), 'D:')];

  beforeAll(async () => {
    await mkdir(at('small'));
    await writeFile(at('small/file'), 'x');
  });

  it('refuses a remote that it does not know before a snapshot is taken', async () => {
    const unknown = rclone({ place: 'nowhere:path', configFile: at('rclone.conf') });
    await expect(makePoint(directory, { module: unknown, kind: 'full', volumes: volumes() })).rejects.toThrow(
      /open "nowhere:path" with rclone: .*didn't find section/,
    );
  });

  it('refuses a place that is not there, and does not make it', async () => {
    const nowhere = rclone({ place: at('not mounted') });
    await expect(makePoint(directory, { module: nowhere, kind: 'full', volumes: volumes() })).rejects.toThrow(
      'see that it is mounted, or make it',
    );
    expect(await readdir(directory)).not.toContain('not mounted');
  });

  it('fails where what it was to copy went away', async () => {
    const order = {
      ...{ vmName: 'vm', runId: 'run-3', path: directory, pointName: 'gone', pointInTimeMs: 0 },
      kind: 'full' as const,
      selections: [
        {
          ...{ volume: volumeAt(at('small'), '/'), paths: [['file']] },
          ...{ excludes: { paths: [], names: [] }, ignoresCase: false },
        },
      ],
      ...{ directory: at('small'), scratch: directory },
    };
    const moving = module.move(order, new AbortController().signal, () => undefined);
    await rm(at('small/file'));
    await expect(moving).rejects.toThrow();
    await writeFile(at('small/file'), 'x');
    expect(await carried()).not.toContain('gone');
  });

  it('that could not read a file makes no restore point, names the file, and leaves nothing at the destination', async () => {
    const before = await carried();
    const making = makePoint(at('unread'), {
      ...{ module, kind: 'full', volumes: [volumeAt(`/proc/${process.pid}`, '/')] },
      include: ['/comm', '/mem'],
    });
    await expect(making).rejects.toThrow(/rclone ended with 1: .*(comm|mem)/);
    expect(await carried()).toEqual(before);
  });

  it('that was cancelled leaves nothing at the destination', async () => {
    await mkdir(at('many'));
    await run('sh', ['-c', 'seq 5000 | split -l 1 -a 4 - "$1/f"', 'sh', at('many')]);
    const before = await carried();
    const abort = new AbortController();
    const making = makePoint(at('cancelled'), {
      ...{ module, kind: 'full', volumes: [volumeAt(at('many'), '/')], signal: abort.signal },
    });
    const hasBegun = async () => (await carried()).length > before.length;
    await Promise.all([
      expect(making).rejects.toThrow('enough'),
      until(hasBegun, new AbortController().signal).then(() => {
        abort.abort(new Error('enough'));
      }),
    ]);
    expect(await carried()).toEqual(before);
  });

  it('takes away what an attempt of the same run left, and nothing that it did not make', async () => {
    const order = {
      ...{ vmName: 'vm', runId: 'run-1', path: at('small'), pointName: 'p', pointInTimeMs: 0 },
      kind: 'full' as const,
      selections: volumes().map((volume) => ({
        ...{ volume, paths: [], excludes: { paths: [], names: [] }, ignoresCase: false },
      })),
      ...{ directory: at('small'), scratch: directory },
    };
    const signal = new AbortController().signal;
    await module.move(order, signal, () => undefined);
    await writeFile(at('vault/vm-files/p/D/of an attempt'), '');
    await module.move(order, signal, () => undefined);
    expect(await readdir(at('vault/vm-files/p/D'))).not.toContain('of an attempt');
    await expect(module.move({ ...order, runId: 'run-2' }, signal, () => undefined)).rejects.toMatchObject({
      code: 'DestinationInUse',
    });
    expect(await readdir(at('vault/vm-files/p/D'))).toContain('file');
    await rm(at('vault/vm-files/p'), { recursive: true });
  });

  it('loses its copies with the restore point that is forgotten; without its place that one stays', async () => {
    for (const day of ['01', '02'])
      await makePoint(at('forgotten'), {
        ...{ module, kind: 'full', volumes: volumes(), pointInTime: new Date(`2026-01-${day}T00:00:00Z`) },
      });
    const forget = (more: NodeJS.ProcessEnv) =>
      run(process.execPath, [EVERTHAW, 'forget', at('forgotten'), '--keep-last', '1', '--yes'], {
        env: { ...process.env, EVERTHAW_STATE: at('state'), EVERTHAW_CONFIG: '/dev/null', ...more },
        mayFail: true,
      });
    expect((await forget({})).stdout).toContain('where to is not named');
    expect(await carried()).toContain('20260101T000000Z');
    expect(await forget(environment)).toMatchObject({ code: 0 });
    expect(await carried()).not.toContain('20260101T000000Z');
    expect(await carried()).toContain('20260102T000000Z');
  });
});
