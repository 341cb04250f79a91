import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { END_SIGNAL } from '../../src/domain/names.js';
import type { MountResult, StagedExport } from '../../src/domain/runs.js';
import { until } from '../../src/system/until.js';
import { historic, historicWith, installed } from '../lab/historic.js';
import { Lab } from '../lab/lab.js';
import { leftovers, processesOf } from '../lab/leftovers.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';
import { makeLinuxDisk, makeManyVolumes, makeWindowsDisks, type LinuxDisk } from '../volumes/guestDisks.js';
import { treeOf } from '../volumes/images.js';

const IS_ROOT = process.getuid?.() === 0;
const PATIENCE_MS = 60_000;

/** The reason of a failed run: it is a step's failure, and that has one. */
function causeOf(failed: unknown): string {
  const { cause } = failed as Error;
  return (cause as Error).cause instanceof Error ? ((cause as Error).cause as Error).message : '';
}

/** How a run was refused: behind the steps that were seen before. */
function refused(ran: Ran): string {
  expect(ran.code).toBe(1);
  return ran.stderr.trim().split('\n').at(-1) ?? '';
}

describe.skipIf(!IS_ROOT)(
  `volumes for other software${IS_ROOT ? '' : ' (SKIPPED: mounting needs root)'}`,
  () => {
    let lab: Lab;
    let images: string;
    let linux: LinuxDisk;
    let installPath: string;
    let web: string;

    beforeAll(async () => {
      images = await mkdtemp(join(tmpdir(), 'everthaw-mount-'));
      linux = await makeLinuxDisk(images);
      const [one, two] = await makeWindowsDisks(images);
      lab = await Lab.start(
        [
          { name: 'web', disks: [{ ...linux, unit: 0 }] },
          { name: 'many', disks: [{ ...(await makeManyVolumes(images, 60)), unit: 0 }] },
          {
            name: 'office',
            disks: [
              { ...one, unit: 0 },
              { ...two, unit: 1 },
            ],
          },
        ],
        labTemporal(),
      );
      installPath = await installed(lab, 'TRANSPORT_MODE="nbdssl";');
      web = join(lab.everthaw.backups, 'web');
    }, 120_000);

    afterEach(async () => {
      for (const vm of ['web', 'many', 'office']) await historic(lab, 'postCommand', installPath, vm);
      expect(await leftovers(lab)).toEqual([]);
      expect(await readdir(lab.everthaw.backups)).toEqual([]);
    });

    afterAll(async () => {
      await lab.stop();
      await rm(images, { recursive: true, force: true });
    });

    const servers = () => processesOf(lab.everthaw.state).filter(({ program }) => program.includes('nbdkit'));

    const handleOf = async (vm: string) => lab.client.workflow.getHandle(await lab.runOf(vm));

    it('pre-command … file mounts a guest’s tree at its place, and post-command takes it away', async () => {
      const first = await historic(lab, 'preCommand', installPath, 'web', 'file');
      expect(first).toMatchObject({ code: 0, stdout: `${web}\n` });
      expect(first.stderr).toContain(`/var/lib/app at ${web}/volumes/var/lib/app`);
      expect(first.stderr).toContain(
        'note: volume scsi0:0/4 is not mounted: it has no file system that is known',
      );
      expect(await treeOf(join(web, 'volumes/srv'))).toBe(await treeOf(join(linux.root, 'srv')));
      expect(await treeOf(join(web, 'volumes/var/lib/app'))).toBe(await treeOf(linux.app));
      expect(await readFile(join(web, 'volumes/boot/efi/efi/Long Näme.efi'), 'utf8')).toBe('loader');
      await expect(writeFile(join(web, 'volumes/srv/new'), '')).rejects.toThrow('EROFS');
      expect((await lab.vcenter.vm('web')).snapshots).toHaveLength(1);

      expect(await historic(lab, 'postCommand', installPath, 'web')).toMatchObject({ code: 0, stderr: '' });
      expect(await leftovers(lab)).toEqual([]);
      const result = (await (await handleOf('web')).result()) as MountResult;
      expect(result).toMatchObject({ state: 'succeeded', directory: web, warnings: [] });
      expect(result.volumes.map(({ name }) => name)).toEqual(['/', '/boot/efi', '/var/lib/app']);
    });

    it('whoever reads does not notice that the worker is killed; a sweep leaves it, and pre-command finds it again', async () => {
      await historic(lab, 'preCommand', installPath, 'web', 'file');
      const reader = spawn('sh', [
        '-c',
        'exec < "$1"; read word; sleep 3; exec sha256sum',
        'sh',
        join(web, 'volumes/srv/data/many'),
      ]);
      const read = new Promise<number | null>((resolve) => reader.once('close', resolve));
      await lab.everthaw.killWorker();
      await lab.everthaw.startWorker();
      expect((await lab.everthaw.everthaw('cleanup', '-y')).stdout).toContain('nothing of it may be let go');
      const again = await historic(lab, 'preCommand', installPath, 'web', 'file', '--json');
      expect(again).toMatchObject({ code: 0 });
      expect(JSON.parse(again.stdout)).toMatchObject({ directory: web });
      expect(await treeOf(join(web, 'volumes/srv'))).toBe(await treeOf(join(linux.root, 'srv')));
      expect(await read).toBe(0);
    });

    it('vcbMounter -t file mounts volumes by their letters, and -U takes them away', async () => {
      const place = join(lab.everthaw.backups, 'files of office');
      const mounted = await historic(lab, 'vcbMounter', '-a', 'name:office', '-r', place, '-t', 'file');
      expect(mounted).toMatchObject({ code: 0, stdout: `${place}\n` });
      expect(mounted.stderr).toContain('volume scsi0:0/1 is not mounted: it has no letter');
      expect(await readdir(join(place, 'letters'))).toEqual(['C', 'D']);
      expect(await readFile(join(place, 'letters/C/Data/日本語.txt'), 'utf8')).toBe('konnichiwa');
      expect(await readFile(join(place, 'letters/D/on d'), 'utf8')).toBe('second disk');
      expect(await historic(lab, 'vcbMounter', '-U', '-r', place)).toMatchObject({ code: 0, stderr: '' });
      expect(await readdir(lab.everthaw.backups)).toEqual([]);
    });

    it.each(['nbdkit', 'qemu-storage-daemon', 'fuse2fs', 'node'])(
      'a %s that dies under the mounts is noticed, and the run fails and lets go',
      async (layer) => {
        await historic(lab, 'preCommand', installPath, 'web', 'file');
        const [victim] = processesOf(lab.everthaw.state).filter(
          ({ program, args, pid }) =>
            pid !== lab.everthaw.workerPid &&
            (layer === 'node'
              ? args.includes('keeperProcess') && program.endsWith('node')
              : program.includes(layer)),
        );
        process.kill(victim?.pid ?? 0, 'SIGKILL');
        const failed: unknown = await (await handleOf('web')).result().catch((error: unknown) => error);
        expect(causeOf(failed)).toContain(`keep the volumes of "web" mounted at "${web}"`);
        expect(causeOf(failed)).toContain('what was read there meanwhile may not be whole');
        expect(await leftovers(lab)).toEqual([]);
        expect(await readdir(lab.everthaw.backups)).toEqual([]);
      },
    );

    it('a volume that somebody unmounts is noticed: an empty directory is no volume', async () => {
      await historic(lab, 'preCommand', installPath, 'web', 'file');
      const inner = join(web, 'volumes/var/lib/app');
      await run('umount', ['--lazy', inner]);
      const failed: unknown = await (await handleOf('web')).result().catch((error: unknown) => error);
      expect(causeOf(failed)).toContain(`"${inner}" is not mounted any more: somebody unmounted it`);
      expect(await leftovers(lab)).toEqual([]);
      expect(await readdir(lab.everthaw.backups)).toEqual([]);
    });

    it('who is done with them is believed though the worker was just killed', async () => {
      await historic(lab, 'preCommand', installPath, 'web', 'file');
      await lab.everthaw.killWorker();
      await lab.everthaw.startWorker();
      const handle = await handleOf('web');
      await handle.signal(END_SIGNAL);
      expect(await handle.result()).toMatchObject({ state: 'succeeded', warnings: [] });
    });

    it('a host that ends all login sessions does not reach who reads: the worker’s next one serves the disks', async () => {
      await historic(lab, 'preCommand', installPath, 'web', 'file');
      await lab.vcenter.control('POST', '/sessions/expire');
      expect(await treeOf(join(web, 'volumes/srv'))).toBe(await treeOf(join(linux.root, 'srv')));
      const handle = await handleOf('web');
      await handle.signal(END_SIGNAL);
      expect(await handle.result()).toMatchObject({ state: 'succeeded', warnings: [] });
    });

    it('who says that he is done as a disk under the mounts is gone learns that he did not read all', async () => {
      await historic(lab, 'preCommand', installPath, 'web', 'file');
      for (const { pid } of servers()) process.kill(pid, 'SIGKILL');
      const handle = await handleOf('web');
      await handle.signal(END_SIGNAL);
      const failed: unknown = await handle.result().catch((error: unknown) => error);
      expect(causeOf(failed)).toContain('what was read there meanwhile may not be whole');
    });

    it('a host that falls silent while a disk is looked at is waited for, with whatever ended meanwhile', async () => {
      await lab.vcenter.control('POST', '/throttle', { path: '/folder', bytesPerSecond: 512 });
      const mounting = historic(lab, 'preCommand', installPath, 'web', 'file');
      const isServed = () => servers().length > 0;
      await until(isServed, AbortSignal.timeout(PATIENCE_MS));
      await lab.vcenter.control('POST', '/outage', { on: true });
      for (const { pid } of servers()) process.kill(pid, 'SIGKILL');
      const isWaitedFor = async () => (await lab.troubleOf('web')).includes('can be reached on this port');
      await until(isWaitedFor, AbortSignal.timeout(PATIENCE_MS));
      await lab.vcenter.control('POST', '/outage', { on: false });
      await lab.vcenter.control('DELETE', '/traffic');
      expect(await mounting).toMatchObject({ code: 0 });
    });

    it('what a terminated run mounted goes with the next sweep; somebody else’s file in its place stays', async () => {
      await historic(lab, 'preCommand', installPath, 'web', 'file');
      await (await handleOf('web')).terminate('a test');
      await writeFile(join(web, 'notes.txt'), 'of an operator');
      const swept = await lab.everthaw.everthaw('cleanup', '-y');
      expect(swept.stdout).toContain('mounted volumes in');
      expect(await leftovers(lab)).toEqual([]);
      expect(await readdir(web)).toEqual(['notes.txt']);
      const line = refused(await historic(lab, 'preCommand', installPath, 'web', 'file'));
      expect(line).toContain('it exists and holds notes.txt');
      await rm(web, { recursive: true });
    });

    it('with sixty volumes mounted the next ones wait for their turn, and say so', async () => {
      const first = await historic(lab, 'preCommand', installPath, 'many', 'file', '--json');
      expect(first).toMatchObject({ code: 0 });
      const { volumes = [] } = JSON.parse(first.stdout) as StagedExport;
      const numbers = volumes.map(({ directory }) => readFile(join(directory, 'number'), 'utf8'));
      expect(await Promise.all(numbers)).toEqual(Array.from({ length: 60 }, (_, n) => String(n + 1)));

      const waiting = historic(lab, 'preCommand', installPath, 'office', 'file');
      const isHeld = async () => (await heldWhy('office').catch(() => '')) !== '';
      await until(isHeld, AbortSignal.timeout(PATIENCE_MS));
      const why = '60 volumes are mounted on this proxy, and at most 60 may be';
      expect(await heldWhy('office')).toContain(why);
      await historic(lab, 'postCommand', installPath, 'many');
      const waited = await waiting;
      expect(waited).toMatchObject({ code: 0 });
      expect(waited.stderr).toContain(why);
    });

    async function heldWhy(vm: string): Promise<string> {
      const { raw } = await (await handleOf(vm)).describe();
      const beats = (raw.pendingActivities ?? []).map(({ heartbeatDetails }) =>
        Buffer.from(heartbeatDetails?.payloads?.[0]?.data ?? '').toString(),
      );
      return beats.find((beat) => beat.includes('"held"')) ?? '';
    }

    it('is refused where an image is being made of the VM, by a lease, and in a directory that holds something', async () => {
      const lease = { EVERTHAW_TRANSPORT: 'nbdssl:lease' };
      const byLease = ['-a', 'name:web', '-r', web, '-t', 'file', '-m', 'nbdssl:lease'];
      expect(refused(await historicWith(lab, lease, 'vcbMounter', ...byLease))).toContain(
        'an export lease is a stream of the whole disk',
      );
      await mkdir(web);
      await writeFile(join(web, 'mine'), '');
      expect(refused(await historic(lab, 'preCommand', installPath, 'web', 'file'))).toContain(
        'it exists and holds mine',
      );
      await rm(web, { recursive: true });
      await historic(lab, 'preCommand', installPath, 'web', 'file');
      expect(refused(await lab.backup('web'))).toContain('a run works on this VM: mountVm');
    });
  },
);
