import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readSettings } from '../src/config/settings.js';
import { openHost } from '../src/hosts/hostPool.js';
import type { Host } from '../src/hosts/host.js';
import { Secret } from '../src/hosts/secret.js';
import type { VmDescription } from '../src/domain/vm.js';
import type { TemporalAddress } from '../src/temporal/client.js';
import { startEmbeddedServer, type EmbeddedServer } from '../src/temporal/embeddedServer.js';
import { resolveTemporal } from '../src/temporal/program.js';
import { makeDisk, type LabDisk } from '../test/lab/disks.js';
import { LabVcenter } from '../test/lab/vcenter.js';

const NAMESPACE = 'default';

/** What the figures are measured on: a vCenter with one VM for each, and the machine's own Temporal server. */
export class BenchLab {
  readonly vcenter: LabVcenter;
  /** What is copied: 2.25 GiB, of which 1 GiB cannot be compressed, so that the stream is 1 GiB long. */
  readonly disk: LabDisk;
  readonly directory: string;
  #server: Promise<EmbeddedServer> | undefined;

  private constructor(vcenter: LabVcenter, disk: LabDisk) {
    this.vcenter = vcenter;
    this.disk = disk;
    this.directory = join(vcenter.directory, 'bench');
  }

  static async start(): Promise<BenchLab> {
    console.log('disks: made once and kept; the first time takes about a minute …');
    const disk = await makeDisk('bench', 2304, 2048);
    const vms = [
      { name: 'tiny', disk: await makeDisk('tiny', 16, 1) },
      { name: 'small', disk: await makeDisk('small', 256, 128) },
      { name: 'large', disk: await makeDisk('large', 4096, 512) },
      { name: 'bench', disk },
    ];
    const vcenter = await LabVcenter.start(
      vms.map((vm) => ({ name: vm.name, disks: [{ ...vm.disk, unit: 0 }] })),
    );
    const lab = new BenchLab(vcenter, disk);
    await mkdir(lab.directory);
    return lab;
  }

  /** The vCenter in a session of its own. */
  open(): Promise<Host> {
    const { hostname, port } = new URL(this.vcenter.ready.url);
    const environment = this.vcenter.everthawEnvironment();
    const entry = {
      kind: 'vsphere' as const,
      address: hostname,
      port: Number(port),
      username: environment['EVERTHAW_USERNAME'] ?? '',
      caFile: this.vcenter.ready.caFile,
    };
    const password = new Secret(environment['EVERTHAW_PASSWORD'] ?? '');
    return openHost(entry, password, undefined, this.directory);
  }

  /** A development server as our daemon runs it: its history in a file. */
  async temporal(): Promise<TemporalAddress> {
    this.#server ??= startServer(join(this.directory, 'temporal.db'));
    return { address: (await this.#server).address, namespace: NAMESPACE };
  }

  async stop(): Promise<void> {
    const server = await this.#server;
    if (server !== undefined) {
      const ended = new Promise((resolve) => server.process.once('close', resolve));
      server.process.kill('SIGTERM');
      await ended;
    }
    await rm(this.directory, { recursive: true, force: true });
    await this.vcenter.stop();
  }
}

/** A VM with a snapshot, for as long as `work` takes. */
export async function withSnapshot<T>(
  host: Host,
  name: string,
  work: (vm: VmDescription, snapshotId: string) => Promise<T>,
): Promise<T> {
  const [found] = await host.findVms({ kind: 'name', value: name });
  const vm = await host.describeVm(found?.instanceUuid ?? '');
  const request = { name: 'bench', description: 'of npm run bench', runId: 'run', quiesce: false };
  const { snapshot } = await host.takeSnapshot(vm.instanceUuid, request, AbortSignal.timeout(60_000));
  try {
    return await work(vm, snapshot.id);
  } finally {
    await host.commitSnapshot(vm.instanceUuid, snapshot.id);
  }
}

async function startServer(databaseFile: string): Promise<EmbeddedServer> {
  const { temporal, cacheDirectory } = readSettings();
  const program = await resolveTemporal({ ...temporal, cacheDirectory }, (line) => {
    console.log(line);
  });
  return startEmbeddedServer({ program, databaseFile, namespace: NAMESPACE }, AbortSignal.timeout(60_000));
}
