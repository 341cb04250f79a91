import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FileManifest } from '../../src/domain/fileManifest.js';
import type { FileBackupResult } from '../../src/domain/runs.js';
import { until } from '../../src/system/until.js';
import { Lab } from '../lab/lab.js';
import { leftovers, processesOf } from '../lab/leftovers.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';
import { makeLinuxDisk, type LinuxDisk } from '../volumes/guestDisks.js';
import { MIB, treeOf } from '../volumes/images.js';

const IS_ROOT = process.getuid?.() === 0;
/** Where the guest's second file system begins on its disk (guestDisks.ts). */
const APP_AT = 36 * MIB;
/** And the first. */
const ROOT_AT = 10 * MIB;
/** Slow enough that reading `/var/lib/app/large` lasts for seconds, which is when the brake is put on. */
const SLOW_BYTES_PER_SECOND = 2_000_000;
const LARGE_BYTES = 4 * MIB;
const BRAKED_BYTES_PER_SECOND = 100_000;

describe.skipIf(!IS_ROOT)(`backups of files${IS_ROOT ? '' : ' (SKIPPED: mounting needs root)'}`, () => {
  let lab: Lab;
  let images: string;
  let linux: LinuxDisk;
  let points: string;
  let copies = 0;

  beforeAll(async () => {
    images = await mkdtemp(join(tmpdir(), 'everthaw-file-backups-'));
    linux = await makeLinuxDisk(images);
    lab = await Lab.start([{ name: 'web', disks: [{ ...linux, unit: 0 }] }], labTemporal());
    points = join(lab.everthaw.backups, 'web-files');
    await writeFile(join(images, 'large'), randomBytes(LARGE_BYTES));
    // Of long ago: what is as new as the newest of all is archived each time.
    const old = ['ctime', 'mtime', 'crtime'].map((time) => `sif large ${time} 20250101`);
    await asGuest(`write ${join(images, 'large')} large`, ...old);
  }, 120_000);

  afterEach(async () => {
    await lab.vcenter.heal();
    expect(await leftovers(lab)).toEqual([]);
    expect(await readdir(join(lab.everthaw.state, 'mounted'))).toEqual([]);
    await rm(points, { recursive: true, force: true });
  });

  afterAll(async () => {
    await lab.stop();
    await rm(images, { recursive: true, force: true });
  });

  const backUp = (...words: readonly string[]): Promise<Ran> =>
    lab.everthaw.everthaw('files', 'backup', 'web', '--root', lab.everthaw.backups, ...words);

  async function made(...words: readonly string[]): Promise<FileBackupResult> {
    const ran = await backUp('--json', ...words);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    return JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '') as FileBackupResult;
  }

  async function get(point: string, ...paths: readonly string[]): Promise<string> {
    const to = join(images, `copy${++copies}`);
    const ran = await lab.everthaw.everthaw('files', 'get', point, ...paths, '--to', to);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    return join(to, 'volumes');
  }

  /** Names and contents. */
  async function contentsOf(tree: string): Promise<string> {
    const script =
      'cd "$1" && find . -mindepth 1 -type d ! -name lost+found | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum';
    return (await run('sh', ['-ec', script, 'sh', tree])).stdout;
  }

  /** What the guest does to its second volume, in debugfs's words; what is there then. */
  async function asGuest(...commands: readonly string[]): Promise<string> {
    const volume = `${await lab.vcenter.diskFile('web')}?offset=${APP_AT}`;
    const script = join(images, 'debugfs');
    await writeFile(script, commands.map((command) => `${command}\n`).join(''));
    if (commands.length > 0) await run('debugfs', ['-w', '-f', script, volume]);
    const seen = join(images, `seen${++copies}`);
    await mkdir(seen);
    await run('debugfs', ['-R', `rdump / ${seen}`, volume]);
    return contentsOf(seen);
  }

  it('a full one, and what changed since, come back as they were at each point', async () => {
    await writeFile(join(images, 'two'), 'written later');
    // What is as new as the newest of all is archived again each time: it may have been written in that very moment.
    const root = `${await lab.vcenter.diskFile('web')}?offset=${ROOT_AT}`;
    await run('debugfs', ['-w', '-R', `write ${join(images, 'two')} newest`, root]);
    const steps = [
      { kind: 'full', commands: [] },
      { kind: 'incremental', commands: [`write ${join(images, 'two')} two`, 'mkdir later'] },
      { kind: 'incremental', commands: ['ln two later/renamed', 'unlink two', 'rm one'] },
      { kind: 'differential', commands: [`write ${join(images, 'two')} one`] },
      { kind: 'incremental', commands: [] },
    ];
    const taken = [];
    for (const { kind, commands } of steps) {
      const seen = await asGuest(...commands);
      taken.push({ seen, result: await made('--kind', kind) });
    }
    expect(taken.map(({ result }) => result.kind)).toEqual(steps.map(({ kind }) => `file-${kind}`));
    const unread = 'volume scsi0:0/4 is not mounted: it has no file system that is known';
    for (const { result } of taken) expect(result.notKept).toEqual([unread]);
    expect(taken[0]?.result.volumes.map(({ name }) => name)).toEqual(['/', '/boot/efi', '/var/lib/app']);
    const bytes = taken.map(({ result }) => result.bytes);
    expect(Math.max(...bytes.slice(1))).toBeLessThan((bytes[0] ?? 0) / 2);
    for (const { seen, result } of taken) {
      const copy = await get(result.directory, '/var/lib/app');
      expect(await contentsOf(join(copy, 'var/lib/app'))).toBe(seen);
      const verified = await lab.everthaw.everthaw('verify', result.directory);
      expect(verified).toMatchObject({ code: 0 });
    }
    const last = taken.at(-1)?.result.directory ?? '';
    expect(await treeOf(join(await get(last, '/srv'), 'srv'))).toBe(await treeOf(join(linux.root, 'srv')));
    const listed = await lab.everthaw.everthaw('list', lab.everthaw.backups);
    expect(listed.stdout.match(/file-incremental/g)).toHaveLength(3);
  });

  it('one that cannot be built on anything is a full one, and says why', async () => {
    const ran = await backUp('--kind', 'incremental', '--include', '/srv', '--exclude', '*.tmp');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('full, because there is no file-level backup of this VM by tar to build on');
    const [point = ''] = await readdir(points);
    const text = await readFile(join(points, point, 'manifest.json'), 'utf8');
    expect(JSON.parse(text) as FileManifest).toMatchObject({
      kind: 'file-full',
      include: ['/srv'],
      volumes: [{ name: '/', paths: ['srv'], archive: '%2F.tar' }],
    });
  });

  const stepsOf = async (): Promise<string[]> => {
    const handle = lab.client.workflow.getHandle(await lab.runOf('web'));
    const { raw } = await handle.describe();
    return (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name ?? '');
  };

  const limit = (bytesPerSecond: number): Promise<unknown> =>
    lab.vcenter.control('POST', '/throttle', { path: '/folder', bytesPerSecond });

  /**
   * Begins one whose bytes come slowly, and waits until its module reads. They come slowly from the start:
   * who first waits for the module may find all that it reads in memory already.
   */
  async function beginSlowly(
    reader = 'tar',
    ...words: readonly string[]
  ): Promise<{ readonly ended: Promise<Ran> }> {
    await limit(SLOW_BYTES_PER_SECOND);
    const ended = backUp(...words);
    await until(
      async () => (await stepsOf().catch((): string[] => [])).includes('moveFiles'),
      AbortSignal.timeout(60_000),
    );
    await limit(BRAKED_BYTES_PER_SECOND);
    const isReading = () =>
      processesOf(lab.everthaw.state).some(({ program }) => program.endsWith(`/${reader}`));
    await until(isReading, AbortSignal.timeout(60_000));
    return { ended };
  }

  it('goes on with a new worker where its worker is killed as files are read', async () => {
    const { ended } = await beginSlowly();
    await lab.everthaw.killWorker();
    await lab.everthaw.startWorker();
    await lab.vcenter.heal();
    expect(await ended).toMatchObject({ code: 0 });
    const [point = ''] = await readdir(points);
    expect(await treeOf(join(await get(join(points, point), '/srv'), 'srv'))).toBe(
      await treeOf(join(linux.root, 'srv')),
    );
  });

  it.each(['fuse2fs', 'nbdkit', 'qemu-storage-daemon'])(
    'mounts the volumes again where %s dies as files are read, and calls nothing good of before',
    async (layer) => {
      const { ended } = await beginSlowly();
      for (const { program, pid } of processesOf(lab.everthaw.state))
        if (program.includes(layer)) process.kill(pid, 'SIGKILL');
      await lab.vcenter.heal();
      expect(await ended).toMatchObject({ code: 0 });
      const [point = ''] = await readdir(points);
      expect(await treeOf(join(await get(join(points, point), '/srv'), 'srv'))).toBe(
        await treeOf(join(linux.root, 'srv')),
      );
    },
  );

  it('leaves nothing where it is cancelled as files are read', async () => {
    const { ended } = await beginSlowly();
    await lab.everthaw.everthaw('cancel', 'web');
    expect((await ended).code).not.toBe(0);
    expect(await readdir(points)).toEqual([]);
  });

  it('by restic: each point is a snapshot that comes back, and a killed worker leaves neither lock nor snapshot', async () => {
    const at = { repository: join(images, 'repository'), password: join(images, 'password') };
    await writeFile(at.password, 'a password');
    const named = ['--restic-repository', at.repository, '--restic-password-file', at.password];
    const restic = async (...words: readonly string[]): Promise<string> =>
      (await run('restic', ['-r', at.repository, '-p', at.password, ...words])).stdout;
    const snapshots = await lab.callsOf('CreateSnapshot_Task');
    const refused = await backUp('--module', 'restic', ...named);
    expect(refused.stderr).toContain(`make one: restic --repo ${at.repository}`);
    expect(await lab.callsOf('CreateSnapshot_Task')).toBe(snapshots);
    await restic('init');
    const words = ['--include', '/var/lib/app', '--module', 'restic', ...named];
    const before = await asGuest();
    const full = await made(...words);
    await writeFile(join(images, 'three'), 'for restic');
    const after = await asGuest(`write ${join(images, 'three')} three`);
    const { ended } = await beginSlowly('restic', '--kind', 'incremental', '--json', ...words);
    await lab.everthaw.killWorker();
    await lab.everthaw.startWorker();
    await lab.vcenter.heal();
    const ran = await ended;
    expect(ran).toMatchObject({ code: 0 });
    const next = JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '') as FileBackupResult;
    expect(next).toMatchObject({ kind: 'file-incremental', module: 'restic' });
    for (const [point, seen] of [
      [full, before],
      [next, after],
    ] as const) {
      const copy = await get(point.directory, '/var/lib/app', ...named);
      expect(await contentsOf(join(copy, 'var/lib/app'))).toBe(seen);
    }
    expect(await readdir(join(at.repository, 'locks'))).toEqual([]);
    expect(JSON.parse(await restic('snapshots', '--json'))).toHaveLength(2);
  });

  it('by rclone: what is copied comes back, and a killed worker leaves nothing else at the destination', async () => {
    const vault = join(images, 'vault');
    await mkdir(vault);
    const named = ['--rclone-destination', vault];
    const seen = await asGuest();
    const { ended } = await beginSlowly(
      ...['rclone', '--include', '/var/lib/app', '--module', 'rclone', '--json', ...named],
    );
    await lab.everthaw.killWorker();
    await lab.everthaw.startWorker();
    await lab.vcenter.heal();
    const ran = await ended;
    expect(ran).toMatchObject({ code: 0 });
    const { directory } = JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '') as FileBackupResult;
    const copy = await get(directory, '/var/lib/app', ...named);
    expect(await contentsOf(join(copy, 'var/lib/app'))).toBe(seen);
    expect(await readdir(join(vault, 'web-files'))).toEqual([basename(directory)]);
  });

  it('by any command: it is told where the volumes are, and what it ends with counts', async () => {
    const mirror = join(images, 'mirror');
    const good = await backUp(
      ...['--module', 'command', '--', 'rsync', '-aHAX', '--stats', '{path}/', `${mirror}-{vm}-{kind}`],
    );
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toContain('said: Number of files');
    expect(await treeOf(join(`${mirror}-web-full`, 'volumes/srv'))).toBe(
      await treeOf(join(linux.root, 'srv')),
    );
    const bad = await backUp('--module', 'command', '--retries', '0', '--', 'ls', 'no such {vm}');
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain("ls ended with 2: ls: cannot access 'no such web'");
    expect(await readdir(points)).toHaveLength(1);
  });

  it('by a job: each run builds on the last one, and what its rules do not keep goes', async () => {
    const config = join(images, 'jobs.yaml');
    const files = { kind: 'incremental', include: ['/var/lib/app'] };
    const written = { vms: ['name:web'], root: lab.everthaw.backups, files, keep: { last: 2 } };
    await writeFile(config, JSON.stringify({ jobs: { files: written } }));
    const jobs = (...words: readonly string[]): Promise<Ran> =>
      lab.everthaw.everthawWith({ EVERTHAW_CONFIG: config }, 'jobs', ...words);
    expect(await jobs('apply', '--yes')).toMatchObject({ code: 0 });
    for (let n = 0; n < 3; n++) {
      await asGuest(`write ${join(images, 'large')} of-run-${n}`);
      expect(await jobs('run', 'files')).toMatchObject({ code: 0, stderr: '' });
    }
    // Both that the rules keep are built on the first one.
    const names = (await readdir(points)).sort();
    expect(names).toHaveLength(3);
    const seen = await asGuest();
    const copy = await get(join(points, names.at(-1) ?? ''), '/var/lib/app');
    expect(await contentsOf(join(copy, 'var/lib/app'))).toBe(seen);
    await writeFile(config, '');
    expect(await jobs('apply', '--yes')).toMatchObject({ code: 0 });
  });

  it.each([
    [['--include', '/no/such'], 'include "/no/such"'],
    [['--include', '/srv/*'], 'what is included is a path, and no pattern'],
    [
      ['--module', 'command', '--', '/no/such/program'],
      'find /no/such/program: it is not on the path, or does not start',
    ],
    [['--module', 'command'], 'no program is named'],
    [['--kind', 'partial'], '"partial" is none of full, differential, incremental'],
    [['--module', 'command', '--exclude', '*.tmp', '--', 'true'], 'for modules that know what it means'],
    [['--module', 'restic'], 'no repository is named'],
    [
      ['--module', 'rclone', '--rclone-destination', ':sftp,host=h,pass=p:/x'],
      'would be seen in the run’s history',
    ],
    [
      ['--module', 'rclone', '--kind', 'incremental', '--rclone-destination', '/x'],
      'rclone has no such kind: it makes full ones',
    ],
    [
      ['--module', 'restic', '--restic-repository', 'rest:https://u:p@h/', '--restic-password-file', 'p'],
      'has a password in it',
    ],
    [['--', 'word'], 'only --module command takes words of its own'],
  ])('is refused with %j, and says why', async (words, why) => {
    const ran = await backUp(...words);
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toContain(why);
    expect(await readdir(points).catch(() => [])).toEqual([]);
  });
});
