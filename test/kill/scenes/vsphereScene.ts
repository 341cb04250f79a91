import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Client } from '@temporalio/client';
import { formatOwner } from '../../../src/domain/owner.js';
import { makeDisk, sha256, type LabDisk } from '../../lab/disks.js';
import type { LabEverthaw } from '../../lab/everthaw.js';
import { leftovers } from '../../lab/leftovers.js';
import { run } from '../../lab/run.js';
import type { LabTemporalServer } from '../../lab/temporalServer.js';
import { LabVcenter } from '../../lab/vcenter.js';
import type { Errand, Job, Scene, Watched } from '../scene.js';
import { contentsOf, readMounted } from '../reader.js';
import { filePointsIn, filesErrand, wrongFiles } from './filePoints.js';
import { VSPHERE_HOLDINGS, VSPHERE_JOBS, vsphereJob, type VsphereJob } from './vsphereJobs.js';
import { hasManifest } from './results.js';
import { Stage } from './stage.js';

const VM = 'db';
/** A VM that is off, for restores to replace. */
const TARGET = 'target';
const BYTES_PER_SECOND = { '/nfc': 5_000_000, '/folder': 25_000_000 } as const;

/** The simulated vCenter with a VM of two disks, VMs and snapshots of others, and two older backups. */
export class VsphereScene implements Scene {
  readonly kind = 'vsphere';
  readonly jobs = VSPHERE_JOBS;
  readonly holdings = VSPHERE_HOLDINGS;
  readonly vcenter: LabVcenter;
  readonly #stage: Stage;
  readonly #disks: readonly LabDisk[];
  /** What is in the files of the VM's volumes, as they are mounted. */
  readonly #contents: string;
  /** What the VM that is to be replaced has on its disk before. */
  #targetDisk = '';

  private constructor(vcenter: LabVcenter, stage: Stage, disks: readonly LabDisk[], contents: string) {
    this.vcenter = vcenter;
    this.#stage = stage;
    this.#disks = disks;
    this.#contents = contents;
  }

  static async start(): Promise<VsphereScene> {
    const disks = [await makeDisk('kill-system', 64, 16), await makeDisk('kill-data', 32, 6)] as const;
    const small = await makeDisk('small', 16, 4);
    const one = { disks: [{ ...small, unit: 0 }] };
    const vcenter = await LabVcenter.start([
      {
        name: VM,
        disks: [
          { ...disks[0], unit: 0 },
          { ...disks[1], unit: 1 },
        ],
      },
      { name: TARGET, ...one, powerOn: false },
      { name: 'bystander', ...one },
      { name: 'clone', ...one },
      { name: 'theirs.restoring-00000000', ...one, powerOn: false },
    ]);
    const stage = await Stage.start(vcenter);
    const scene = new VsphereScene(vcenter, stage, disks, await contentsOfDisks(disks));
    await scene.#plant();
    for (const transport of ['nbdssl:lease', 'nbdssl:datastore'] as const) {
      const made = await stage.everthaw.everthaw(
        'backup',
        VM,
        '--to',
        scene.#older(transport),
        '--transport',
        transport,
      );
      if (made.code !== 0) throw new Error(`the older backup: ${made.stderr}`);
    }
    return scene;
  }

  /** Things that look like ours, and are not. */
  async #plant(): Promise<void> {
    const { vcenter } = this;
    const { instanceUuid } = await vcenter.vm(VM);
    const record = formatOwner(this.#stage.clonesRecord(vcenter.ready.instanceUuid, instanceUuid));
    await vcenter.govc('snapshot.create', '-vm', 'bystander', '-m=false', 'before the upgrade');
    await vcenter.govc('snapshot.create', '-vm', 'bystander', '-m=false', '_VCB_BACKUP_');
    await vcenter.govc('snapshot.create', '-vm', 'clone', '-m=false', '-d', record, '_VCB_BACKUP_');
    const mark = `everthaw.restoring=${formatOwner(this.#stage.strangersRecord())}`;
    await vcenter.govc('vm.change', '-vm', 'theirs.restoring-00000000', '-e', mark);
  }

  get reach(): LabVcenter {
    return this.vcenter;
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

  #older(transport: VsphereJob['transport']): string {
    return join(this.everthaw.backups, `older-${transport.replace(':', '-')}`);
  }

  async prepare(job: Job, number: number, destination: string): Promise<Errand> {
    for (const [path, bytesPerSecond] of Object.entries(BYTES_PER_SECOND))
      await this.vcenter.control('POST', '/throttle', { path, bytesPerSecond });
    const { run: kind, transport, overwrites } = vsphereJob(job);
    if (kind === 'files') return filesErrand(job, VM, number, destination);
    if (kind === 'mount') {
      const target = join(destination, `${VM}-${number}`);
      return { job, target, vmName: VM, command: ['mount', VM, '--to', target] };
    }
    if (kind === 'backup') {
      const target = join(destination, `${VM}-${number}`);
      return { job, target, vmName: VM, command: ['backup', VM, '--to', target, '--transport', transport] };
    }
    const target = overwrites === true ? TARGET : `restored-${number}`;
    if (overwrites === true) await this.#makeTargetUnlike();
    const how = overwrites === true ? ['--overwrite'] : [];
    return {
      job,
      target,
      vmName: target,
      command: ['restore', this.#older(transport), '--name', target, ...how],
    };
  }

  /** An earlier case may have replaced it: the next one has to be told apart. */
  async #makeTargetUnlike(): Promise<void> {
    const file = await this.vcenter.diskFile(TARGET);
    const handle = await open(file, 'r+');
    await handle.write(randomBytes(512), 0, 512, 0);
    await handle.close();
    this.#targetDisk = await sha256(file);
  }

  /** vSphere thaws its guests by itself. */
  watch({ job, target }: Errand): () => Promise<Watched> {
    if (job.run === 'mount') return readMounted(this.client, target, this.#contents);
    return () => Promise.resolve({ measured: {}, problems: [] });
  }

  heal(): Promise<void> {
    return this.vcenter.heal();
  }

  async look(): Promise<readonly string[]> {
    const here = { vcenter: this.vcenter, everthaw: this.everthaw };
    const mounts = (await this.#stage.look()).filter((line) => line.startsWith('mount '));
    return [...(await leftovers(here)), ...mounts];
  }

  async untouched(): Promise<readonly string[]> {
    const vms = (await this.vcenter.vms()).filter(
      ({ name }) => ![TARGET, VM].includes(name) && !isMade(name),
    );
    const lines = vms.map((vm) => JSON.stringify(vm));
    const older = (['nbdssl:lease', 'nbdssl:datastore'] as const).map((transport) => this.#older(transport));
    return [...lines, ...(await this.#stage.untouched(older))];
  }

  async wrongBytes(errand: Errand): Promise<readonly string[]> {
    const { job, target } = errand;
    // Its reader compared while there was something to read.
    if (job.run === 'mount') return [];
    if (job.run === 'files')
      return wrongFiles(this.everthaw, errand, (copied) => this.#compareContents(copied));
    if (job.run === 'restore') return this.#compare(target);
    const copy = 'restored-to-compare';
    const restored = await this.everthaw.everthaw('restore', target, '--name', copy);
    if (restored.code !== 0) return [`the backup does not restore: ${restored.stderr}`];
    const wrong = [...(await this.#compare(copy)), ...(await this.#compareFiles(target))];
    await this.vcenter.govc('vm.destroy', copy);
    return wrong;
  }

  async #compareContents(directory: string): Promise<readonly string[]> {
    const seen = await contentsOf(directory);
    return seen === this.#contents ? [] : [`its files have other bytes: ${seen ?? 'they cannot be read'}`];
  }

  /** A VM's disks in the datastore, with those that were backed up. */
  async #compare(name: string): Promise<readonly string[]> {
    const wrong: string[] = [];
    const there = (await this.vcenter.vm(name)).disks ?? [];
    if (there.length !== this.#disks.length) wrong.push(`"${name}" has ${there.length} disks`);
    for (const [index, disk] of this.#disks.entries()) {
      const file = await this.vcenter.diskFile(name, index);
      if ((await sha256(file)) !== (await sha256(disk.raw)))
        wrong.push(`disk ${index} of "${name}" has other bytes`);
    }
    return wrong;
  }

  /** The backup's own files, as another program reads them. */
  async #compareFiles(directory: string): Promise<readonly string[]> {
    const wrong: string[] = [];
    for (const [index, disk] of this.#disks.entries()) {
      const file = join(directory, `scsi0-${index}.vmdk`);
      const { code } = await run('qemu-img', ['compare', '-f', 'vmdk', '-F', 'raw', file, disk.raw], {
        mayFail: true,
      });
      if (code !== 0) wrong.push(`${file} has other bytes`);
    }
    return wrong;
  }

  async results({ job, target }: Errand): Promise<readonly string[]> {
    if (job.run === 'files') return filePointsIn(target);
    if (job.run !== 'restore') return hasManifest(target);
    if (target === TARGET) {
      const now = await sha256(await this.vcenter.diskFile(TARGET));
      return now === this.#targetDisk ? [] : ['the VM that was to be replaced has other bytes'];
    }
    const names = (await this.vcenter.vms()).map(({ name }) => name);
    return names.includes(target) ? [`a VM "${target}" is there`] : [];
  }

  async unwell(): Promise<readonly string[]> {
    const vms = await this.vcenter.vms();
    const wrong: string[] = [];
    const vm = vms.find(({ name }) => name === VM);
    if (vm?.powerState !== 'poweredOn') wrong.push(`"${VM}" is ${vm?.powerState ?? 'not there'}`);
    if (!vms.some(({ name }) => name === TARGET)) wrong.push(`"${TARGET}" is not there`);
    return wrong;
  }

  async tidy({ job, target }: Errand): Promise<void> {
    // What is mounted there is no made thing: it has to go by itself.
    if (job.run === 'mount') return;
    if (job.run === 'files') await rm(dirname(target), { recursive: true });
    else if (job.run === 'backup') await rm(target, { recursive: true, force: true });
    else if (target !== TARGET && (await this.vcenter.vms()).some(({ name }) => name === target))
      await this.vcenter.govc('vm.destroy', target);
  }

  async stop(): Promise<void> {
    await this.#stage.stop();
    await this.vcenter.stop();
  }
}

/** The files of whole-disk file systems, by debugfs, which mounts nothing. */
async function contentsOfDisks(disks: readonly LabDisk[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'everthaw-kill-'));
  try {
    for (const [unit, { raw }] of disks.entries()) {
      const at = join(directory, 'disks', `scsi0:${unit}`);
      await mkdir(at, { recursive: true });
      await run('debugfs', ['-R', `rdump / ${at}`, raw]);
    }
    return (await contentsOf(directory)) ?? '';
  } finally {
    await rm(directory, { recursive: true });
  }
}

function isMade(name: string): boolean {
  return name.startsWith('restored-');
}
