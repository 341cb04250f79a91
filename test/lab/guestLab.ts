import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { vmWorkflowId } from '../../src/domain/names.js';
import { connectClient, type TemporalAddress } from '../../src/temporal/client.js';
import { LabEverthaw, type LabHost } from './everthaw.js';
import type { LabGuest } from './guest.js';
import { leftoversOnProxy } from './leftovers.js';
import { leftoversOnLibvirt } from './libvirtLeftovers.js';
import { LabLibvirt, type LabLibvirtOptions } from './libvirt.js';
import type { Ran } from './run.js';

/** A libvirt of its own with real guests, an installed Everthaw with a worker, and what tests do with them. */
export class GuestLab {
  readonly libvirt: LabLibvirt;
  readonly everthaw: LabEverthaw;
  readonly client: Client;

  private constructor(libvirt: LabLibvirt, everthaw: LabEverthaw, client: Client) {
    this.libvirt = libvirt;
    this.everthaw = everthaw;
    this.client = client;
  }

  /** `reach` makes another way to it than the one within the machine. */
  static async start(
    temporal: TemporalAddress,
    reach: (libvirt: LabLibvirt) => Promise<LabHost> = (libvirt) => Promise.resolve(libvirt),
    options: LabLibvirtOptions = {},
  ): Promise<GuestLab> {
    const libvirt = await LabLibvirt.start(options);
    const everthaw = await LabEverthaw.create(await reach(libvirt), temporal);
    await everthaw.startWorker();
    const client = await connectClient(temporal);
    return new GuestLab(libvirt, everthaw, client);
  }

  async stop(): Promise<void> {
    await this.client.connection.close();
    await this.everthaw.remove();
    await this.libvirt.stop();
  }

  /** Where a backup goes that is told nothing else than the root. */
  directoryOf(vm: string): string {
    return join(this.everthaw.backups, `${vm}-fullVM`);
  }

  backup(vm: string, ...flags: readonly string[]): Promise<Ran> {
    const to = flags.includes('--to') ? [] : ['--root', this.everthaw.backups];
    return this.everthaw.everthaw('backup', vm, ...to, ...flags);
  }

  restore(directory: string, ...flags: readonly string[]): Promise<Ran> {
    return this.everthaw.everthaw('restore', directory, ...flags);
  }

  /** Where a VM's disks are, as libvirt has them. */
  async disksOf(name: string): Promise<readonly string[]> {
    const lines = (await this.libvirt.virsh('domblklist', name)).split('\n');
    return lines.flatMap((line) => /^ vd\w +(\/.*)$/.exec(line)?.[1] ?? []);
  }

  /** The workflow id of a VM's runs. */
  async runOf(guest: LabGuest): Promise<string> {
    const ours = this.client.workflow.list();
    for await (const { workflowId } of ours) if (workflowId.endsWith(`/${guest.uuid}`)) return workflowId;
    return vmWorkflowId('?', guest.uuid);
  }

  /**
   * Everything that a run may have left over, seen by virsh, the superblock, /proc and the file system: jobs, overlays,
   * checkpoints, frozen or paused guests, our directories, half-made domains.
   */
  async leftovers(...guests: readonly LabGuest[]): Promise<readonly string[]> {
    return [
      ...(await leftoversOnProxy(this.everthaw)),
      ...(await leftoversOnLibvirt(this.libvirt, guests)),
    ].sort();
  }
}
