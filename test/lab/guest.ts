import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../src/system/until.js';
import { askAgent, execInGuest } from './guestAgent.js';
import { awaitAgent, savedGuest, SMALL, writeSaveFile, type GuestSizes } from './guestMemory.js';
import { domainXml, type GuestDisk, type GuestDomain } from './guestXml.js';
import type { LabLibvirt } from './libvirt.js';
import { needsRecovery } from './records.js';
import { run, type Ran } from './run.js';

const PATIENCE_MS = 30_000;

/** How a disk is kept: `backed` is a qcow2 above a raw file. */
export type DiskFormat = 'raw' | 'qcow2' | 'backed';

export interface LabGuestOptions {
  readonly name: string;
  /** Of the first disk and of the second, or of both; qcow2 if it is not said. */
  readonly format?: DiskFormat | readonly [DiskFormat, DiskFormat];
  readonly sizes?: GuestSizes;
  /** Where its disks go; a directory of the lab if it is not said. */
  readonly directory?: string;
}

export interface FreezeTrace {
  readonly uptimeSeconds: number;
  readonly pid: number;
  readonly script: string;
}

/** What a script is told to do: nothing special, never end, or say something and end with a code. */
export type ScriptBehaviour = 'ok' | 'hang' | { readonly exit: number; readonly output?: string };

/** A real VM with two disks, an agent and an application, which runs within a second of being asked for. */
export class LabGuest {
  readonly name: string;
  readonly uuid: string;
  readonly directory: string;
  readonly libvirt: LabLibvirt;
  readonly #domain: GuestDomain;

  private constructor(libvirt: LabLibvirt, domain: GuestDomain, directory: string) {
    this.libvirt = libvirt;
    this.name = domain.name;
    this.uuid = domain.uuid;
    this.directory = directory;
    this.#domain = domain;
  }

  static async start(libvirt: LabLibvirt, options: LabGuestOptions): Promise<LabGuest> {
    const { name, format = 'qcow2', sizes = SMALL } = options;
    const directory = options.directory ?? join(libvirt.directory, 'vms', name);
    await mkdir(directory, { recursive: true });
    const saved = await savedGuest(libvirt, sizes);
    const [first, second] = typeof format === 'string' ? [format, format] : format;
    const domain: GuestDomain = {
      name,
      uuid: randomUUID(),
      accelerator: saved.accelerator,
      disks: [
        await copyDisk(saved.disks[0], directory, 'vda', first),
        await copyDisk(saved.disks[1], directory, 'vdb', second),
      ],
      console: join(directory, 'console'),
    };
    const guest = new LabGuest(libvirt, domain, directory);
    await guest.#define();
    const saveFile = join(directory, 'memory');
    await writeSaveFile(saved.memory, domain, saveFile);
    await libvirt.virsh('restore', saveFile);
    await rm(saveFile);
    await awaitAgent(libvirt, name);
    return guest;
  }

  async #define(): Promise<void> {
    const xml = join(this.directory, 'domain.xml');
    await writeFile(xml, domainXml(this.#domain));
    await this.libvirt.virsh('define', xml);
  }

  /** The files of the disks as the VM was made; a snapshot may have put others above them (`activeDisks`). */
  get diskPaths(): readonly string[] {
    return this.#domain.disks.map(({ file }) => file);
  }

  /** The files that the VM writes to at this moment. */
  async activeDisks(): Promise<readonly string[]> {
    const lines = (await this.libvirt.virsh('domblklist', this.name)).split('\n');
    return lines.flatMap((line) => /^ vd\w +(\/.*)$/.exec(line)?.[1] ?? []);
  }

  /** Runs a program in the guest; fails while the agent holds its disks frozen. */
  exec(...command: readonly string[]): Promise<Ran> {
    return execInGuest(this.libvirt, this.name, command);
  }

  /** A command of the agent's own. */
  agent<T>(execute: string, args: object = {}): Promise<T> {
    return askAgent(this.libvirt, this.name, execute, args);
  }

  /** Makes the application write, as fast as it can or so many records a second. */
  async startWriter(perSecond = 0): Promise<void> {
    await this.#shell(`echo ${perSecond} > /run/writer.on.new && mv /run/writer.on.new /run/writer.on`);
    await this.#untilWriterIs('writing');
  }

  async stopWriter(): Promise<void> {
    await this.#shell('rm -f /run/writer.on');
    await this.#untilWriterIs('resting');
  }

  /** Whether the application writes, and is not paused or stopped. */
  async isWriting(): Promise<boolean> {
    return (await this.#shell('cat /run/writer.state')).trim() === 'writing';
  }

  /** How many records are safe on both disks. */
  async recordsWritten(): Promise<number> {
    return Number(await this.#shell('cat /run/writer.written'));
  }

  tellPreFreeze(behaviour: ScriptBehaviour): Promise<void> {
    return this.#tell('pre-freeze-script', behaviour);
  }

  tellPostThaw(behaviour: ScriptBehaviour): Promise<void> {
    return this.#tell('post-thaw-script', behaviour);
  }

  async #tell(script: string, behaviour: ScriptBehaviour): Promise<void> {
    await this.#shell(`rm -f /run/${script}.hang /run/${script}.output /run/${script}.exit`);
    if (behaviour === 'ok') return;
    if (behaviour === 'hang') await this.#shell(`: > /run/${script}.hang`);
    else {
      const { exit, output = '' } = behaviour;
      await this.#shell(`printf %s "$1" > /run/${script}.output; echo ${exit} > /run/${script}.exit`, output);
    }
  }

  /** Which scripts ran, in order. */
  async trace(): Promise<readonly FreezeTrace[]> {
    const lines = (await this.#shell('cat /run/freeze-trace 2> /dev/null || true')).split('\n');
    return lines.filter(Boolean).map((line) => {
      const [uptime, pid, script = ''] = line.split(' ');
      return { uptimeSeconds: Number(uptime), pid: Number(pid), script };
    });
  }

  /** Whether the file system of a disk is frozen, told by its superblock: whoever froze it, and however. */
  async isFrozen(disk = 0): Promise<boolean> {
    const active = (await this.activeDisks())[disk];
    if (active === undefined) throw new Error(`VM "${this.name}" has no disk ${disk}`);
    return !(await needsRecovery(active));
  }

  /** Whether the agent takes the file systems for frozen; it does not hear of a thaw that is not its own. */
  async isFrozenByAgent(): Promise<boolean> {
    return (await this.agent<string>('guest-fsfreeze-status')) === 'frozen';
  }

  /** As virsh says it: `running`, `paused`, `shut off`. */
  async virshState(): Promise<string> {
    return (await this.libvirt.virsh('domstate', this.name)).trim();
  }

  /** The process of QEMU. */
  async pid(): Promise<number> {
    const file = join(this.libvirt.directory, 'r/libvirt/qemu/run', `${this.name}.pid`);
    return Number(await readFile(file, 'utf8'));
  }

  /** Kills QEMU as a crash would, and waits until libvirt knows. */
  async kill(): Promise<void> {
    process.kill(await this.pid(), 'SIGKILL');
    await until(async () => (await this.virshState()) === 'shut off', AbortSignal.timeout(PATIENCE_MS));
  }

  /** Takes the power away; the VM stays defined. */
  async powerOff(): Promise<void> {
    await this.libvirt.virsh('destroy', this.name);
  }

  /** Boots a VM that is off, which takes seconds. */
  async boot(): Promise<void> {
    await this.libvirt.virsh('start', this.name);
    await awaitAgent(this.libvirt, this.name);
  }

  /** Waits for a VM that somebody else started. */
  untilItAnswers(): Promise<void> {
    return awaitAgent(this.libvirt, this.name);
  }

  /** Removes the VM with its disks. */
  async destroy(): Promise<void> {
    await this.libvirt.tryVirsh('destroy', this.name);
    await this.libvirt.virsh('undefine', this.name, '--snapshots-metadata', '--checkpoints-metadata');
    await rm(this.directory, { recursive: true, force: true });
  }

  async #untilWriterIs(state: string): Promise<void> {
    await until(
      async () => (await this.#shell('cat /run/writer.state')).trim() === state,
      AbortSignal.timeout(PATIENCE_MS),
    );
  }

  async #shell(script: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.exec('sh', '-c', script, 'sh', ...args);
    if (code !== 0)
      throw new Error(`"${script}" in VM "${this.name}" ended with ${code}: ${stderr || stdout}`);
    return stdout;
  }
}

/** A VM's own copy of a saved disk; saved memory does not mind how its bytes are kept. */
async function copyDisk(
  saved: string,
  directory: string,
  target: string,
  format: DiskFormat,
): Promise<GuestDisk> {
  const raw = join(directory, `${target}.raw`);
  const qcow2 = join(directory, `${target}.qcow2`);
  if (format === 'qcow2') await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', saved, qcow2]);
  else await run('cp', ['--sparse=always', '--reflink=auto', saved, raw]);
  if (format === 'backed')
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', raw, qcow2]);
  return format === 'raw' ? { target, file: raw, format } : { target, file: qcow2, format: 'qcow2' };
}
