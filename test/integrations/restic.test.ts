import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localBackup } from '../../src/destinations/storedBackup.js';
import { verifyRestorePoint } from '../../src/destinations/verifyRestorePoint.js';
import type { IntegrationModule } from '../../src/integrations/module.js';
import { restic } from '../../src/integrations/restic.js';
import { until } from '../../src/system/until.js';
import { EVERTHAW } from '../lab/programs.js';
import { refusal } from '../lab/refusal.js';
import { run, type Ran } from '../lab/run.js';
import { filesIn } from '../volumes/imageBackup.js';
import { makeTree, treeOf } from '../volumes/images.js';
import { CHANGES } from './changes.js';
import { makePoint, volumeAt, type Made } from './fileBackup.js';

const PASSWORD = 'correct horse battery';

let directory: string;
let module: IntegrationModule;
let files: (...words: readonly string[]) => Promise<Ran>;
let copies = 0;

const at = (...names: readonly string[]): string => join(directory, ...names);

/** restic itself, on the repository. */
async function resticSays(...words: readonly string[]): Promise<string> {
  const { stdout } = await run('restic', [
    '--repo',
    at('repository'),
    '--password-file',
    at('password'),
    ...words,
  ]);
  return stdout;
}

interface Snapshot {
  readonly id: string;
  readonly parent?: string;
  readonly hostname: string;
  readonly time: string;
}

async function snapshots(): Promise<readonly Snapshot[]> {
  return JSON.parse(await resticSays('snapshots', '--json')) as Snapshot[];
}

async function get(
  backup: string,
  ...paths: readonly string[]
): Promise<{ readonly to: string; readonly ran: Ran }> {
  const to = at(`copy${++copies}`);
  return { to, ran: await files('get', backup, ...paths, '--to', to) };
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-restic-'));
  await writeFile(at('password'), `${PASSWORD}\n`);
  module = restic({ place: at('repository'), passwordFile: at('password') });
  await resticSays('init');
  files = filesIn(at('state'), {
    RESTIC_REPOSITORY: at('repository'),
    RESTIC_PASSWORD_FILE: at('password'),
  });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe('one full backup and five incremental ones by restic', () => {
  const tree = (): string => at('chain/tree');
  const made: Made[] = [];
  const seen: string[] = [];

  beforeAll(async () => {
    await makeTree(tree());
    const back = async (kind: 'full' | 'incremental'): Promise<void> => {
      seen.push(await treeOf(tree()));
      made.push(await makePoint(at('chain'), { module, kind, volumes: [volumeAt(tree(), '/')] }));
    };
    await back('full');
    for (const change of CHANGES) {
      await change(tree());
      await back('incremental');
    }
  });

  it('come back as the guest was at each: content, mode, owner, times, links, attributes, access lists', async () => {
    for (const [n, { directory: point }] of made.entries()) {
      const { to, ran } = await get(point, '/');
      expect(ran, ran.stderr + ran.stdout).toMatchObject({ code: 0, stderr: '' });
      expect(await treeOf(join(to, 'volumes')), `point ${n}`).toBe(seen[n]);
    }
  });

  it('are snapshots of the VM at its point in time, each told by the one before what has not changed', async () => {
    const all = await snapshots();
    const ofPoints = made.map(({ volumes: [volume] }) => all.find(({ id }) => id === volume?.snapshot));
    expect(ofPoints.map((snapshot) => snapshot?.parent)).toEqual([
      undefined,
      ...ofPoints.slice(0, -1).map((snapshot) => snapshot?.id),
    ]);
    for (const [n, { directory: point }] of made.entries()) {
      expect(ofPoints[n]?.hostname).toBe('vm');
      expect(ofPoints[n]?.time.replace(/[-:]/g, '')).toBe(basename(point));
    }
  });

  it('are listed as the guest has them, and what is not there is told', async () => {
    const ran = await files('ls', made[0]?.directory ?? '', '/srv/data', '--json');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const entries = ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries).toHaveLength(11);
    const plain = { name: 'plain', type: 'file', sizeBytes: 6, mode: '0640', uid: 0, gid: 0 };
    expect(entries).toContainEqual({ ...plain, modified: '2021-03-04T05:06:08.000Z' });
    expect(entries).toContainEqual(expect.objectContaining({ name: 'upwards', type: 'link' }));
    const one = await files('ls', made[0]?.directory ?? '', '/srv/data/plain');
    expect(one.stdout).toMatch(/^file .* plain\n$/);
    expect(refusal(await files('ls', made[0]?.directory ?? '', '/srv/nothing'))).toContain(
      'there is no nothing in /srv',
    );
  });

  it('are not known to be good without restic, and verify says so', async () => {
    const { directory: point } = made[0] ?? { directory: '' };
    const verified = await verifyRestorePoint(
      localBackup(point),
      () => undefined,
      new AbortController().signal,
    );
    expect(verified).toMatchObject({ state: 'unknown', faults: [] });
    expect(verified.unseen.join()).toContain('ask restic about them');
  });

  it('are read from no other repository than the one that is named', async () => {
    const elsewhere = filesIn(at('state'), {
      RESTIC_REPOSITORY: '/elsewhere',
      RESTIC_PASSWORD_FILE: at('password'),
    });
    const { directory: point } = made[0] ?? { directory: '' };
    expect(refusal(await elsewhere('ls', point, '/'), 2)).toContain('and what is named is "/elsewhere"');
    expect(refusal(await filesIn(at('state'))('ls', point, '/'), 2)).toContain('no repository is named');
  });

  it('become a full one where the last one’s snapshot is gone', async () => {
    await resticSays('forget', made.at(-1)?.volumes[0]?.snapshot ?? '');
    const again = await makePoint(at('chain'), {
      ...{ module, kind: 'incremental', volumes: [volumeAt(tree(), '/')] },
    });
    expect(again).toMatchObject({ kind: 'file-full' });
    expect(again.fullBecause).toContain('is not in the repository any more');
  });
});

describe('what is chosen', () => {
  it('is taken and left out by restic as the guest’s words mean it, whatever the names', async () => {
    const tree = at('chosen/tree');
    const names = ['keep', '*.tmp', '[a]', '$HOME', '#x', ' blank ', '!bang', 'back\\slash', 'with\nnewline'];
    await mkdir(join(tree, 'srv/in'), { recursive: true });
    await mkdir(join(tree, 'other'), { recursive: true });
    for (const name of [...names, 'left.tmp', '$HOMEx']) await writeFile(join(tree, 'srv/in', name), name);
    const point = await makePoint(at('chosen'), {
      ...{ module, kind: 'full', volumes: [volumeAt(tree, '/')] },
      include: ['/srv'],
      exclude: ['*.tmp', '/srv/in/[a]', '$HOME', '#x', '!bang', ' blank '],
    });
    const { to, ran } = await get(point.directory, '/');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await readdir(join(to, 'volumes'))).toEqual(['srv']);
    expect((await readdir(join(to, 'volumes/srv/in'))).toSorted()).toEqual(
      ['$HOMEx', 'back\\slash', 'keep', 'with\nnewline'].toSorted(),
    );
    const one = await get(point.directory, '/srv/in/keep');
    expect(await readdir(join(one.to, 'volumes/srv/in'))).toEqual(['keep']);
  });
});

describe('restic', () => {
  const volumes = () => [volumeAt(at('small'), 'D:')];

  beforeAll(async () => {
    await mkdir(at('small'));
    await writeFile(at('small/file'), 'x');
  });

  it('refuses before a snapshot is taken: no repository, a wrong password', async () => {
    const nowhere = restic({ place: at('nowhere'), passwordFile: at('password') });
    await expect(makePoint(directory, { module: nowhere, kind: 'full', volumes: volumes() })).rejects.toThrow(
      `make one: restic --repo ${at('nowhere')}`,
    );
    await writeFile(at('wrong'), 'wrong');
    const wrong = restic({ place: at('repository'), passwordFile: at('wrong') });
    await expect(makePoint(directory, { module: wrong, kind: 'full', volumes: volumes() })).rejects.toThrow(
      'is not that of the repository',
    );
  });

  it('gets what its environment file says, and a line that it cannot read is not shown', async () => {
    await writeFile(
      at('environment'),
      '# keys\n\nexport RESTIC_PASSWORD_FILE=/nowhere\nAWS_SECRET_ACCESS_KEY="k"\n',
    );
    const place = { place: at('repository'), passwordFile: at('password') };
    const told = restic({ ...place, environmentFile: at('environment') });
    await makePoint(at('told'), { module: told, kind: 'full', volumes: volumes() });
    await writeFile(at('environment'), 'A=b\nsecret of mine\n');
    const making = makePoint(directory, { module: told, kind: 'full', volumes: volumes() });
    await expect(making).rejects.toThrow('says something else than NAME=value in line 2');
    await expect(making).rejects.not.toThrow('secret of mine');
  });

  it('that could not read a file makes no restore point, names the file, and leaves no snapshot', async () => {
    const before = await snapshots();
    const making = makePoint(at('unread'), {
      // Whose first byte cannot be read.
      ...{ module, kind: 'full', volumes: [volumeAt(`/proc/${process.pid}`, '/')] },
      include: ['/mem', '/comm'],
    });
    await expect(making).rejects.toThrow(/restic ended with 3: .*mem/);
    expect(await snapshots()).toEqual(before);
  });

  it('that was cancelled leaves neither lock nor snapshot', async () => {
    await mkdir(at('large'));
    await writeFile(at('large/file'), '');
    await truncate(at('large/file'), 64 * 1024 ** 3);
    const before = await snapshots();
    const abort = new AbortController();
    const making = makePoint(at('cancelled'), {
      ...{ module, kind: 'full', volumes: [volumeAt(at('large'), '/')], signal: abort.signal },
    });
    const isLocked = async () => (await readdir(at('repository/locks'))).length > 0;
    await Promise.all([
      expect(making).rejects.toThrow('enough'),
      until(isLocked, new AbortController().signal).then(() => {
        abort.abort(new Error('enough'));
      }),
    ]);
    expect(await readdir(at('repository/locks'))).toEqual([]);
    expect(await snapshots()).toEqual(before);
  });

  it('loses the snapshots of a restore point that is forgotten; without its repository that one stays', async () => {
    const points: Made[] = [];
    for (const day of ['01', '02'])
      points.push(
        await makePoint(at('forgotten'), {
          ...{ module, kind: 'full', volumes: volumes(), pointInTime: new Date(`2026-01-${day}T00:00:00Z`) },
        }),
      );
    const forget = (env: NodeJS.ProcessEnv) =>
      run(process.execPath, [EVERTHAW, 'forget', at('forgotten'), '--keep-last', '1', '--yes'], {
        env: { ...process.env, EVERTHAW_STATE: at('state'), EVERTHAW_CONFIG: '/dev/null', ...env },
        mayFail: true,
      });
    const kept = await forget({});
    expect(kept.stdout).toContain('no repository is named');
    expect(kept.code).toBe(1);
    const repository = { RESTIC_REPOSITORY: at('repository'), RESTIC_PASSWORD_FILE: at('password') };
    const done = await forget(repository);
    expect(done, done.stderr + done.stdout).toMatchObject({ code: 0 });
    const ids = (await snapshots()).map(({ id }) => id);
    expect(ids).not.toContain(points[0]?.volumes[0]?.snapshot);
    expect(ids).toContain(points[1]?.volumes[0]?.snapshot);
  });

  it('forgets what an attempt of the same run before it made, and nothing of another run', async () => {
    const others = await snapshots();
    const order = {
      ...{ vmName: 'vm', runId: 'run-1', path: at('small'), pointName: 'p', pointInTimeMs: 0 },
      kind: 'full' as const,
      selections: volumes().map((volume) => ({
        ...{ volume, paths: [], excludes: { paths: [], names: [] }, ignoresCase: false },
      })),
      ...{ directory: at('small'), scratch: directory },
    };
    const signal = new AbortController().signal;
    const first = await module.move(order, signal, () => undefined);
    const second = await module.move(order, signal, () => undefined);
    const ids = (await snapshots()).map(({ id }) => id);
    expect(ids).not.toContain(first.kept[0]?.snapshot);
    expect(ids.toSorted()).toEqual([...others.map(({ id }) => id), second.kept[0]?.snapshot].toSorted());
  });
});
