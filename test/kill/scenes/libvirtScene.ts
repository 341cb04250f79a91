import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { Manifest } from '../../../src/domain/manifest.js';
import { Brake } from '../../lab/brake.js';
import { sha256 } from '../../lab/disks.js';
import type { LabEverthaw } from '../../lab/everthaw.js';
import { LabGuest } from '../../lab/guest.js';
import { LabLibvirt } from '../../lab/libvirt.js';
import { leftoversOnLibvirt } from '../../lab/libvirtLeftovers.js';
import { countRecords, recordsOn } from '../../lab/records.js';
import { fingerprint } from '../../lab/refusal.js';
import { run } from '../../lab/run.js';
import { LabSshd } from '../../lab/sshd.js';
import type { LabTemporalServer } from '../../lab/temporalServer.js';
import { BOUNDS } from '../bounds.js';
import { FreezeWatch } from './freezeWatch.js';
import type { Errand, Job, Scene, Watched } from '../scene.js';
import { readMounted } from '../reader.js';
import { filePointsIn, filesErrand, wrongFiles } from './filePoints.js';
import { LIBVIRT_HOLDINGS, LIBVIRT_JOBS, libvirtJob } from './libvirtJobs.js';
import { hasManifest } from './results.js';
import { Stage } from './stage.js';
import { plantStrangers, THEIRS } from './libvirtStrangers.js';

const VM = 'writer';
/** A VM that is off, for restores to replace. */
const TARGET = 'target';
const RECORDS_PER_SECOND = 5;
/** Of every tenth of a second: a transfer takes two seconds or three. */
const COPIES_MS = 6;

/** A real libvirt with a guest that writes, VMs of others, and an older backup. */
export class LibvirtScene implements Scene {
  readonly kind = 'libvirt';
  readonly jobs = LIBVIRT_JOBS;
  readonly holdings = LIBVIRT_HOLDINGS;
  readonly libvirt: LabLibvirt;
  readonly sshd: LabSshd;
  readonly guest: LabGuest;
  readonly #stage: Stage;
  readonly #bystander: LabGuest;
  /** Where copies are restored to. */
  readonly #storage: string;
  #brake: Brake | undefined;
  #recordsBefore = 0;
  #traced = 0;
  #targetDisks: readonly string[] = [];

  private constructor(
    libvirt: LabLibvirt,
    sshd: LabSshd,
    stage: Stage,
    guest: LabGuest,
    bystander: LabGuest,
    storage: string,
  ) {
    this.libvirt = libvirt;
    this.sshd = sshd;
    this.#stage = stage;
    this.guest = guest;
    this.#bystander = bystander;
    this.#storage = storage;
  }

  static async start(): Promise<LibvirtScene> {
    const libvirt = await LabLibvirt.start();
    const sshd = await LabSshd.start(libvirt);
    // The worker needs the lab's ssh for the runs that go over it.
    const everthawEnvironment = () => ({ ...sshd.everthawEnvironment(), ...libvirt.everthawEnvironment() });
    const stage = await Stage.start({ everthawEnvironment });
    const guest = await LabGuest.start(libvirt, { name: VM, format: ['raw', 'qcow2'] });
    const target = await LabGuest.start(libvirt, { name: TARGET });
    const bystander = await LabGuest.start(libvirt, { name: 'bystander' });
    const storage = join(libvirt.directory, 'restored');
    await mkdir(storage);
    const scene = new LibvirtScene(libvirt, sshd, stage, guest, bystander, storage);
    await guest.startWriter(RECORDS_PER_SECOND);
    await target.powerOff();
    await bystander.powerOff();
    await plantStrangers(libvirt, bystander, stage);
    const made = await stage.everthaw.everthaw('backup', VM, '--to', scene.#older);
    if (made.code !== 0) throw new Error(`the older backup: ${made.stderr}`);
    return scene;
  }

  get reach(): LabLibvirt {
    return this.libvirt;
  }
  get everthaw(): LabEverthaw {
    return this.#stage.everthaw;
  }
  get temporal(): LabTemporalServer {
    return this.#stage.temporal;
  }
  get client(): Client {
    return this.#stage.client;
  }

  get #older(): string {
    return join(this.everthaw.backups, 'older');
  }

  async prepare(job: Job, number: number, destination: string): Promise<Errand> {
    const { flags, overwrites, over } = libvirtJob(job);
    this.#recordsBefore = await this.guest.recordsWritten();
    this.#traced = (await this.guest.trace()).length;
    this.#brake = new Brake(this.everthaw.state, COPIES_MS);
    if (job.run === 'files') return filesErrand(job, VM, number, destination);
    if (job.run === 'mount') {
      const target = join(destination, `${VM}-${number}`);
      return { job, target, vmName: VM, command: ['mount', VM, '--to', target] };
    }
    if (job.run === 'backup') {
      const target = join(destination, `${VM}-${number}`);
      const environment = over === 'ssh' ? this.sshd.everthawEnvironment() : {};
      return { job, target, vmName: VM, command: ['backup', VM, '--to', target, ...flags], environment };
    }
    const target = overwrites === true ? TARGET : `restored-${number}`;
    this.#targetDisks = await this.#hashesOf(TARGET);
    const where = ['--name', target, '--storage', this.#storage];
    return { job, target, vmName: target, command: ['restore', this.#older, ...where, ...flags] };
  }

  /** How long the first disk's file system is frozen at a stretch, told by its superblock. On an overlay it cannot be seen there. */
  watch({ job, target }: Errand): () => Promise<Watched> {
    if (job.run === 'mount') return readMounted(this.client, target);
    if (job.name === 'overlay') return () => Promise.resolve({ measured: {}, problems: [] });
    const freeze = new FreezeWatch(this.guest.diskPaths[0] ?? '');
    return async () => {
      const longestMs = await freeze.stop();
      const problems = longestMs > BOUNDS.frozen.failsMs ? [`the guest was frozen for ${longestMs} ms`] : [];
      return { measured: longestMs === 0 ? {} : { frozen: longestMs }, problems };
    };
  }

  async heal(): Promise<void> {
    await this.#brake?.release();
    this.#brake = undefined;
  }

  async look(): Promise<readonly string[]> {
    const used = new Set<string>();
    for (const name of await this.#domains())
      for (const disk of await this.#disksOf(name)) used.add(dirname(disk));
    const uploaded = (await readdir(this.#storage)).filter((name) => !used.has(join(this.#storage, name)));
    return [
      ...(await this.#stage.look()),
      ...(await leftoversOnLibvirt(this.libvirt, [this.guest])),
      ...(await this.#restingApplication()),
      ...uploaded.map((name) => `uploaded files in ${name}`),
    ];
  }

  /** The pre-freeze script makes it rest, the post-thaw script lets it go on; a frozen guest cannot be asked. */
  async #restingApplication(): Promise<readonly string[]> {
    const isWriting = await this.guest.isWriting().catch(() => true);
    return isWriting ? [] : [`the application of "${VM}" rests`];
  }

  async untouched(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const name of ['bystander', THEIRS])
      lines.push(
        `definition of ${name}: ${inOrder(await this.libvirt.virsh('dumpxml', '--inactive', name))}`,
      );
    lines.push(await this.libvirt.virsh('snapshot-list', 'bystander', '--name'));
    return [
      ...lines,
      ...(await fingerprint(this.#bystander.directory)),
      ...(await this.#stage.untouched([this.#older])),
    ];
  }

  async wrongBytes(errand: Errand): Promise<readonly string[]> {
    const { job, target } = errand;
    // Its reader compared while there was something to read.
    if (job.run === 'mount') return [];
    if (job.run === 'files') return wrongFiles(this.everthaw, errand, (copied) => this.#recordsIn(copied));
    if (job.run === 'restore') return this.#compare(this.#older, target);
    const copy = 'restored-to-compare';
    const restored = await this.everthaw.everthaw(
      'restore',
      target,
      '--name',
      copy,
      '--storage',
      this.#storage,
      '--new-addresses',
    );
    if (restored.code !== 0) return [`the backup does not restore: ${restored.stderr}`];
    const wrong = [...(await this.#compare(target, copy)), ...(await this.#countRecords(target, copy))];
    await this.#remove(copy);
    return wrong;
  }

  /** What the application wrote, in files of both disks: as many, and no fewer than were written before. */
  async #recordsIn(directory: string): Promise<readonly string[]> {
    const counts: number[] = [];
    try {
      for (const disk of await readdir(join(directory, 'disks'))) {
        const file = join(directory, 'disks', disk, 'records');
        counts.push(countRecords(await readFile(file), file));
      }
    } catch (error) {
      return [String(error)];
    }
    const isRight = counts.length === 2 && counts[0] === counts[1] && (counts[0] ?? 0) >= this.#recordsBefore;
    return isRight
      ? []
      : [`records in files: ${counts.join(', ')}; ${this.#recordsBefore} were written before`];
  }

  /** The disks of a VM with those of a backup, as another program reads both. */
  async #compare(directory: string, name: string): Promise<readonly string[]> {
    const { disks: kept } = await manifestOf(directory);
    const disks = await this.#disksOf(name);
    const wrong: string[] = [];
    for (const [index, { file }] of kept.entries()) {
      const there = disks[index] ?? '';
      const { code, stdout, stderr } = await run('qemu-img', ['compare', there, join(directory, file)], {
        mayFail: true,
      });
      if (code !== 0) wrong.push(`disk ${index} of "${name}" has other bytes: ${stdout}${stderr}`);
    }
    return wrong;
  }

  /** What the application wrote: whole, on both disks, no older than the backup's start. */
  async #countRecords(directory: string, name: string): Promise<readonly string[]> {
    const { consistency } = await manifestOf(directory);
    const counts: number[] = [];
    try {
      for (const disk of await this.#disksOf(name))
        counts.push(await recordsOn(disk, { replay: consistency === 'crash' }));
    } catch (error) {
      return [String(error)];
    }
    const [first = 0, second = 0] = counts;
    const wrong: string[] = [];
    if (consistency === 'application' && first !== second)
      wrong.push(`records on the two disks: ${counts.join(', ')}`);
    if (first < this.#recordsBefore)
      wrong.push(`${first} records, but ${this.#recordsBefore} were written before`);
    return wrong;
  }

  async results({ job, target }: Errand): Promise<readonly string[]> {
    if (job.run === 'files') return filePointsIn(target);
    if (job.run !== 'restore') return hasManifest(target);
    if (target === TARGET) {
      const now = await this.#hashesOf(TARGET);
      return now.join() === this.#targetDisks.join()
        ? []
        : ['the VM that was to be replaced has other bytes'];
    }
    return (await this.#domains()).includes(target) ? [`a VM "${target}" is there`] : [];
  }

  async unwell(): Promise<readonly string[]> {
    const { guest } = this;
    const state = await guest.virshState();
    if (state !== 'running') return [`"${VM}" is ${state}`];
    // Nothing can be asked of a frozen guest.
    if (await guest.isFrozen()) return [`"${VM}" is frozen, as its superblock says`];
    const wrong: string[] = [];
    const trace = (await guest.trace()).slice(this.#traced);
    if (trace.length > 0 && trace.at(-1)?.script !== 'post-thaw-script')
      wrong.push(`no post-thaw script after: ${trace.map(({ script }) => script).join(', ')}`);
    if (!(await guest.isWriting())) wrong.push(`the application of "${VM}" does not write`);
    if (!(await this.#domains()).includes(TARGET)) wrong.push(`"${TARGET}" is not there`);
    return wrong;
  }

  async tidy({ job, target }: Errand): Promise<void> {
    // What is mounted there is no made thing: it has to go by itself.
    if (job.run === 'mount') return;
    if (job.run === 'files') await rm(dirname(target), { recursive: true });
    else if (job.run === 'backup') await rm(target, { recursive: true, force: true });
    else if (target !== TARGET && (await this.#domains()).includes(target)) await this.#remove(target);
  }

  async #domains(): Promise<readonly string[]> {
    return (await this.libvirt.virsh('list', '--all', '--name')).split('\n').filter(Boolean);
  }

  async #disksOf(name: string): Promise<readonly string[]> {
    const { code, stdout } = await this.libvirt.tryVirsh('domblklist', name);
    if (code !== 0) return [];
    return stdout.split('\n').flatMap((line) => /^ vd\w +(\/.*)$/.exec(line)?.[1] ?? []);
  }

  async #hashesOf(name: string): Promise<readonly string[]> {
    return Promise.all((await this.#disksOf(name)).map(sha256));
  }

  async #remove(name: string): Promise<void> {
    const disks = await this.#disksOf(name);
    await this.libvirt.virsh('undefine', name);
    for (const disk of disks) await rm(dirname(disk), { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    await this.heal();
    await this.#stage.stop();
    await this.sshd.stop();
    await this.libvirt.stop();
  }
}

/** libvirt writes devices in another order when it has read them again. */
function inOrder(xml: string): string {
  return xml
    .split('\n')
    .map((line) => line.trim())
    .sort()
    .join('');
}

async function manifestOf(directory: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
}
