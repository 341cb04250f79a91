import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EverthawError } from '../../src/domain/errors.js';
import type { SnapshotRequest, SnapshotTaken } from '../../src/hosts/host.js';
import { localShell, type HostShell } from '../../src/system/hostShell.js';
import type { Libvirt } from '../../src/hosts/libvirt/connection/libvirt.js';
import { LibvirtGuest } from '../../src/hosts/libvirt/guest/libvirtGuest.js';
import { parseAddress } from '../../src/hosts/libvirt/connection/libvirtUri.js';
import { ProxySockets } from '../../src/system/proxySockets.js';
import { LIBVIRT_SETTINGS, type LibvirtSettings } from '../../src/hosts/libvirt/connection/settings.js';
import { openExport } from '../../src/hosts/libvirt/snapshot/snapshotExport.js';
import { commitSnapshot, listSnapshots } from '../../src/hosts/libvirt/snapshot/snapshots.js';
import { takeSnapshot } from '../../src/hosts/libvirt/snapshot/takeSnapshot.js';
import { Virsh } from '../../src/hosts/libvirt/connection/virsh.js';
import type { LabGuest } from '../lab/guest.js';
import type { LabLibvirt } from '../lab/libvirt.js';
import { recordsOn } from '../lab/records.js';
import { run } from '../lab/run.js';

export const NEVER: AbortSignal = new AbortController().signal;

let runs = 0;

/** An id as Temporal gives them. */
export function newRunId(): string {
  return `01890000-0000-7000-8000-${String(++runs).padStart(12, '0')}`;
}

/** The driver on a lab's libvirt, as a process that knows nothing of an earlier one has it. */
export function driverOn(
  lab: LabLibvirt,
  settings: Partial<LibvirtSettings> = {},
  shell: HostShell = localShell,
): Libvirt {
  const virsh = new Virsh(shell, parseAddress(lab.uri).uri);
  opened.add(virsh);
  return { virsh, settings: LIBVIRT_SETTINGS.parse(settings) };
}

export async function take(
  driver: Libvirt,
  guest: LabGuest,
  request: Partial<SnapshotRequest> = {},
): Promise<SnapshotTaken> {
  const whole = { name: 'test', description: 'of a test', runId: newRunId(), quiesce: true, ...request };
  try {
    return await takeSnapshot(driver, guest.uuid, whole, NEVER);
  } finally {
    await noteSockets(guest);
  }
}

/** Sockets may lie elsewhere, where only the hold's record tells: noted while it is there, for {@link traces}. */
async function noteSockets(guest: LabGuest): Promise<void> {
  for (const hold of await holdsBeside(guest)) {
    const plan = await readFile(join(hold, 'plan.json'), 'utf8').catch(() => '{}');
    const { socketDirectory } = JSON.parse(plan) as { readonly socketDirectory?: string };
    if (socketDirectory !== undefined) socketDirectories.add(socketDirectory);
  }
}

const socketDirectories = new Set<string>();

async function holdsBeside(guest: LabGuest): Promise<readonly string[]> {
  const directory = dirname(guest.diskPaths[0] ?? '');
  return (await readdir(directory))
    .filter((name) => name.startsWith('.everthaw-'))
    .map((name) => join(directory, name));
}

/** Records on each disk of a point in time, read as a backup reads it. */
export async function recordsOf(
  driver: Libvirt,
  guest: LabGuest,
  { snapshot }: SnapshotTaken,
  options?: { readonly replay?: boolean },
): Promise<readonly number[]> {
  const counts: number[] = [];
  for (const [index, label] of ['virtio0:0', 'virtio0:1'].entries()) {
    const disk = { label, path: '', capacityBytes: 0 };
    const opened = await openExport(driver, snapshot.id, disk, await ProxySockets.open(guest.directory));
    const copy = join(guest.directory, `copy-${index}`);
    const uri = `nbd+unix:///${opened.exportName}?socket=${opened.socket}`;
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uri, copy]);
    await opened.close();
    counts.push(await recordsOn(copy, options));
    await rm(copy);
  }
  return counts;
}

/** What a worker's successor does: thaws, resumes and removes whatever is found. */
export async function releaseAll(driver: Libvirt, vm: LabGuest): Promise<void> {
  await noteSockets(vm);
  const guest = new LibvirtGuest(driver);
  for (const { kind, vmUuid, description } of await guest.debts()) {
    if (vmUuid !== vm.uuid) continue;
    if (kind === 'freeze') await guest.thaw(vmUuid, description);
    else await guest.resumeApplication(vmUuid, description);
  }
  for (const { id } of await listSnapshots(driver, vm.uuid)) await commitSnapshot(driver, vm.uuid, id);
}

/** Everything of ours that is there of a guest, and every way in which it is not as it was, seen without our driver. */
export async function traces(guest: LabGuest): Promise<readonly string[]> {
  const { libvirt, name } = guest;
  const found: string[] = [];
  const state = await guest.virshState();
  if (!['running', 'shut off'].includes(state)) found.push(`it is ${state}`);
  if (state === 'running') {
    if ((await libvirt.virsh('domjobinfo', name)).includes('Operation')) found.push('a job works on it');
    if (await guest.isFrozenByAgent()) found.push('its agent holds it frozen');
    if (await guest.isFrozen()) found.push('it is frozen');
  }
  for (const flag of [[], ['--inactive']]) {
    const used = await libvirt.virsh('domblklist', name, ...flag);
    if (used.includes('.everthaw-')) found.push(`it uses an overlay: ${used}`);
  }
  for (const directory of socketDirectories) if (existsSync(directory)) found.push(directory);
  return [...found, ...(await holdsBeside(guest))];
}

/** The driver of somebody who dies after so many steps: from then on nothing of his reaches the host. */
export function mortalDriver(
  lab: LabLibvirt,
  steps: number,
  settings: Partial<LibvirtSettings> = {},
): { readonly driver: Libvirt; readonly isDead: () => boolean } {
  let left = steps;
  const live = (): void => {
    if (--left < 0)
      throw new EverthawError({ code: 'UnexpectedError', what: 'live', why: 'it was killed', hint: '-' });
  };
  const shell: HostShell = {
    ...localShell,
    run: async (...args) => {
      live();
      return localShell.run(...args);
    },
  };
  class MortalVirsh extends Virsh {
    override async ask(...args: Parameters<Virsh['ask']>): ReturnType<Virsh['ask']> {
      live();
      return super.ask(...args);
    }
  }
  const virsh = new MortalVirsh(shell, parseAddress(lab.uri).uri);
  opened.add(virsh);
  return { driver: { virsh, settings: LIBVIRT_SETTINGS.parse(settings) }, isDead: () => left < 0 };
}

const opened = new Set<Virsh>();

/** Ends what the drivers of a test opened. */
export async function closeDrivers(): Promise<void> {
  for (const virsh of opened) await virsh.close();
  opened.clear();
}
