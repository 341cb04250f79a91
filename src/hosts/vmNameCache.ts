import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { messageOf } from '../domain/errors.js';
import type { VmSummary } from '../domain/vm.js';
import { withFileLock } from '../system/fileLock.js';
import { isMeant, type WantedAddress } from './guestAddress.js';

const SEEN = z.object({
  host: z.string(),
  instanceUuid: z.string(),
  uuid: z.string(),
  name: z.string(),
  ipAddresses: z.array(z.string()),
  hostName: z.string().optional(),
  seenAt: z.iso.datetime(),
});
const FILE = z.object({ version: z.literal(1), vms: z.array(SEEN) });

/** How a VM could be reached when it was last seen running. */
export type SeenVm = z.infer<typeof SEEN>;

/**
 * The file that remembers which VM had which addresses and host name (VMNAMECACHE, F4), so that a powered-off one is found by them. It
 * only ever helps: what cannot be read is begun anew, what cannot be written is left, and both are told.
 */
export class VmNameCache {
  readonly #file: string;
  readonly #warn: (line: string) => void;

  constructor(file: string, warn: (line: string) => void) {
    this.#file = file;
    this.#warn = warn;
  }

  /** VMs of a host that had that address or name when they were last seen. */
  async recall(hostUuid: string, wanted: WantedAddress): Promise<readonly SeenVm[]> {
    const seen = await this.#read();
    return seen.filter((vm) => vm.host === hostUuid && isMeant(wanted, withoutUnset(vm)));
  }

  /** Notes what the guests tell; what another VM had of it before is that one's no more. Writers wait for each other. */
  async remember(hostUuid: string, vms: readonly VmSummary[], now = new Date()): Promise<void> {
    const told = vms.flatMap((vm) => asSeen(hostUuid, vm, now) ?? []);
    if (told.length === 0 || isKnown(await this.#read(), told)) return;
    await this.#change((seen) => merged(seen, told));
  }

  /** Takes out what was recalled and found wrong: VMs that are not there any more. What was noted anew meanwhile stays. */
  async forget(gone: readonly SeenVm[]): Promise<void> {
    if (gone.length === 0) return;
    const entries = new Set(gone.map((vm) => JSON.stringify(vm)));
    await this.#change((seen) => seen.filter((vm) => !entries.has(JSON.stringify(vm))));
  }

  async #change(change: (seen: readonly SeenVm[]) => readonly SeenVm[]): Promise<void> {
    try {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
      await withFileLock(`${this.#file}.lock`, async () => this.#write(change(await this.#read())));
    } catch (error) {
      this.#warn(`warning: the addresses of VMs cannot be kept in "${this.#file}": ${messageOf(error)}`);
    }
  }

  async #read(): Promise<readonly SeenVm[]> {
    try {
      return FILE.parse(JSON.parse(await readFile(this.#file, 'utf8'))).vms;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#warn(`warning: "${this.#file}" is no list of VM addresses that can be read: it is begun anew`);
      return [];
    }
  }

  async #write(vms: readonly SeenVm[]): Promise<void> {
    const aside = `${this.#file}.${process.pid}`;
    try {
      await writeFile(aside, `${JSON.stringify({ version: 1, vms }, undefined, 1)}\n`, {
        mode: 0o600,
        flush: true,
      });
      await rename(aside, this.#file);
    } finally {
      await rm(aside, { force: true });
    }
  }
}

function asSeen(host: string, vm: VmSummary, now: Date): SeenVm | undefined {
  const { instanceUuid, biosUuid: uuid, name, hostName } = vm;
  const ipAddresses = [...(vm.ipAddresses ?? (vm.ipAddress === undefined ? [] : [vm.ipAddress]))];
  if (ipAddresses.length === 0 && hostName === undefined) return undefined;
  const seenAt = now.toISOString();
  return {
    host,
    instanceUuid,
    uuid,
    name,
    ipAddresses,
    ...(hostName === undefined ? {} : { hostName }),
    seenAt,
  };
}

/** Whether nothing is new but the time. */
function isKnown(seen: readonly SeenVm[], told: readonly SeenVm[]): boolean {
  const texts = new Set(seen.map(withoutTime));
  return told.every((vm) => texts.has(withoutTime(vm)));
}

function merged(seen: readonly SeenVm[], told: readonly SeenVm[]): readonly SeenVm[] {
  const keys = new Set(told.map(keyOf));
  const taken = new Set(
    told.flatMap(({ host, ipAddresses }) => ipAddresses.map((each) => `${host} ${each}`)),
  );
  const names = new Set(told.map(({ host, hostName }) => `${host} ${hostName ?? ''}`));
  const others = seen
    .filter((vm) => !keys.has(keyOf(vm)))
    .map(({ hostName, ...vm }) => ({
      ...vm,
      ipAddresses: vm.ipAddresses.filter((each) => !taken.has(`${vm.host} ${each}`)),
      ...(hostName === undefined || names.has(`${vm.host} ${hostName}`) ? {} : { hostName }),
    }));
  return [
    ...others.filter(({ ipAddresses, hostName }) => ipAddresses.length > 0 || hostName !== undefined),
    ...told,
  ];
}

function keyOf({ host, instanceUuid }: SeenVm): string {
  return `${host}/${instanceUuid}`;
}

function withoutTime({ host, instanceUuid, uuid, name, ipAddresses, hostName }: SeenVm): string {
  return JSON.stringify([host, instanceUuid, uuid, name, ipAddresses, hostName]);
}

function withoutUnset({ ipAddresses, hostName }: SeenVm): Pick<VmSummary, 'ipAddresses' | 'hostName'> {
  return { ipAddresses, ...(hostName === undefined ? {} : { hostName }) };
}
