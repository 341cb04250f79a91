import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import type { LabDisk } from './disks.js';
import { GOVC, VCENTER } from './programs.js';
import { run } from './run.js';

export interface LabVm {
  readonly name: string;
  readonly disks: readonly (LabDisk & {
    readonly bus?: number;
    readonly unit: number;
    readonly controller?: string;
    readonly mode?: string;
    readonly rdm?: string;
  })[];
  readonly toolsRunning?: boolean;
  readonly ip?: string;
  readonly hostName?: string;
  /** Its BIOS uuid; by default made from the name. */
  readonly uuid?: string;
  readonly powerOn?: boolean;
}

export interface Fault {
  readonly method: string;
  readonly fault?: string;
  readonly objectName?: string;
  readonly count?: number;
  readonly skip?: number;
  readonly delayMs?: number;
  readonly inTask?: boolean;
  readonly afterEffect?: boolean;
}

/** Where a lab writes, and whether it stays when this process ends. */
export interface LabPlace {
  readonly parent?: string;
  readonly outlives?: boolean;
}

interface Ready {
  readonly url: string;
  readonly control: string;
  readonly caFile: string;
  readonly thumbprintSha256: string;
  readonly thumbprintSha1: string;
  readonly instanceUuid: string;
  readonly datastoreDir: string;
}

export interface SeenVm {
  readonly moref: string;
  readonly name: string;
  readonly instanceUuid: string;
  readonly biosUuid: string;
  readonly powerState: string;
  readonly consolidationNeeded: boolean;
  readonly vmxPath: string;
  readonly snapshots: readonly { name: string; description: string }[] | null;
  readonly disks: readonly { path: string }[] | null;
  readonly extraConfig: Readonly<Record<string, string>> | null;
}

const USER = 'backup-user';
export const LAB_PASSWORD = 'correct horse "battery" staple';

/** A simulated vCenter of its own process, with a control plane that tests steer it by. */
export class LabVcenter {
  readonly ready: Ready;
  readonly directory: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, ready: Ready, directory: string) {
    this.#process = process;
    this.ready = ready;
    this.directory = directory;
  }

  static async start(
    vms: readonly LabVm[],
    flags: readonly string[] = [],
    place: LabPlace = {},
  ): Promise<LabVcenter> {
    const directory = await mkdtemp(join(place.parent ?? tmpdir(), 'everthaw-lab-'));
    await mkdir(join(directory, 'state'));
    const spec = vms.map((vm) => ({
      cpus: 1,
      memoryMB: 256,
      guestId: 'otherLinux64Guest',
      powerOn: true,
      toolsRunning: true,
      vmx: `displayName = "${vm.name}"\n`,
      nvramText: `nvram of ${vm.name}`,
      ...vm,
      disks: vm.disks.map((disk) => ({ bus: 0, controller: 'scsi', mode: 'persistent', ...disk })),
    }));
    await writeFile(join(directory, 'vms.json'), JSON.stringify(spec));
    await writeFile(join(directory, 'password'), LAB_PASSWORD);
    const child = spawn(
      'setpriv',
      [
        ...(place.outlives === true ? [] : ['--pdeathsig', 'TERM']),
        ...[VCENTER, '--state', join(directory, 'state'), '--vms', join(directory, 'vms.json')],
        ...[
          '--user',
          USER,
          '--password-file',
          join(directory, 'password'),
          '--instance-uuid',
          randomUUID(),
          ...flags,
        ],
      ],
      {
        stdio: ['ignore', 'pipe', process.env['LAB_LOG'] === undefined ? 'ignore' : 'inherit'],
        detached: place.outlives === true,
      },
    );
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => {
        throw new Error('the lab’s vCenter ended at once: set LAB_LOG=1 to see why');
      }),
    ])) as [string];
    return new LabVcenter(child, JSON.parse(line) as Ready, directory);
  }

  /** Environment of `everthaw` and its worker for this host. */
  everthawEnvironment(): Record<string, string> {
    const url = new URL(this.ready.url);
    return {
      EVERTHAW_HOST: url.hostname,
      EVERTHAW_PORT: url.port,
      EVERTHAW_USERNAME: USER,
      EVERTHAW_PASSWORD: LAB_PASSWORD,
      EVERTHAW_CA_FILE: this.ready.caFile,
    };
  }

  get port(): string {
    return new URL(this.ready.url).port;
  }

  async vm(name: string): Promise<SeenVm> {
    const found = (await this.vms()).find((vm) => vm.name === name);
    if (found === undefined) throw new Error(`the lab has no VM "${name}"`);
    return found;
  }

  vms(): Promise<readonly SeenVm[]> {
    return this.get('/vms');
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(new URL(path, this.ready.control));
    if (!response.ok) throw new Error(`GET ${path}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async control(method: 'POST' | 'DELETE', path: string, body?: object): Promise<void> {
    const response = await fetch(new URL(path, this.ready.control), {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
  }

  fault(fault: Fault): Promise<void> {
    return this.control('POST', '/faults', fault);
  }

  /** Takes back every fault, throttle and tear. */
  async heal(): Promise<void> {
    await this.control('DELETE', '/faults');
    await this.control('DELETE', '/traffic');
    await this.control('POST', '/outage', { on: false });
  }

  /** The independent client. */
  async govc(...args: readonly string[]): Promise<string> {
    return (await run(GOVC, args, { env: this.govcEnvironment() })).stdout;
  }

  /** The file of the datastore that holds a disk's bytes, for tools that know nothing of vSphere. */
  async diskFile(vmName: string, index = 0): Promise<string> {
    const path = (await this.vm(vmName)).disks?.[index]?.path;
    if (path === undefined) throw new Error(`VM "${vmName}" has no disk ${index}`);
    return join(this.ready.datastoreDir, path.replace(/^\[[^\]]+\] /, '').replace(/\.vmdk$/, '-flat.vmdk'));
  }

  /** Makes `govc` talk to this vCenter. */
  govcEnvironment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      GOVC_URL: this.ready.url,
      GOVC_USERNAME: USER,
      GOVC_PASSWORD: LAB_PASSWORD,
      GOVC_TLS_CA_CERTS: this.ready.caFile,
      GOVC_DATASTORE: 'LocalDS_0',
      GOVC_DATACENTER: 'DC0',
      GOVMOMI_HOME: this.directory,
    };
  }

  /** Lets the lab run on without this process; only one that was started to outlive it does. */
  leave(): number {
    this.#process.stdout?.destroy();
    this.#process.unref();
    return this.#process.pid ?? 0;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      await exited;
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}
