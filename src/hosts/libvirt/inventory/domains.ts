import { EverthawError, isErrorWithCode } from '../../../domain/errors.js';
import type { Domain, DomainState } from '../xml/domain.js';
import { parseDomain } from '../xml/domainXml.js';
import type { Virsh } from '../connection/virsh.js';
import { virshBatch } from '../connection/virshBatch.js';

export interface ListedDomain {
  readonly uuid: string;
  readonly name: string;
}

/** A domain as it will be when it is started next, and its state. */
export interface ReadDomain {
  readonly domain: Domain;
  /** With the passwords of its consoles. */
  readonly xml: string;
  readonly state: DomainState;
  /** Whether there is a QEMU of it that can be asked. */
  readonly isRunning: boolean;
}

/** How many are read by one process: their XML goes through its memory and ours. */
const BATCH = 50;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** All domains that are defined or run, by one call. */
export async function listDomains(virsh: Virsh): Promise<readonly ListedDomain[]> {
  const text = await virsh.run('list the VMs', ['list', '--all', '--uuid', '--name']);
  const domains: { uuid: string; name: string }[] = [];
  for (const line of text.split('\n')) {
    const uuid = line.slice(0, 36);
    if (UUID.test(uuid) && line[36] === ' ') domains.push({ uuid, name: line.slice(37) });
    else if (line !== '') {
      // libvirt lets a name have a line end.
      const last = domains.at(-1);
      if (last !== undefined) last.name += `\n${line}`;
    }
  }
  return domains;
}

/** Those of the domains that are still there. @throws EverthawError where one cannot be understood, unless `skip` takes it */
export async function readDomains(
  virsh: Virsh,
  uuids: readonly string[],
  skip?: (uuid: string) => void,
): Promise<readonly ReadDomain[]> {
  const read: ReadDomain[] = [];
  for (let at = 0; at < uuids.length; at += BATCH) {
    const batch = uuids.slice(at, at + BATCH);
    const parts = await virshBatch(virsh, 'read VMs', batch.flatMap(readCommands));
    for (const [index, uuid] of batch.entries()) {
      try {
        const domain = readParts(parts[index * 2], parts[index * 2 + 1]);
        if (domain !== undefined) read.push(domain);
      } catch (error) {
        if (skip === undefined || !isErrorWithCode(error, 'HostFault')) throw error;
        skip(uuid);
      }
    }
  }
  return read;
}

/** All that can be understood: one odd domain is in nobody else's way. */
export async function readAllDomains(virsh: Virsh): Promise<readonly ReadDomain[]> {
  return (await readAllWithOdd(virsh)).all;
}

/** For whoever must know that there are others, of which nothing is known. */
export async function readAllWithOdd(
  virsh: Virsh,
): Promise<{ readonly all: readonly ReadDomain[]; readonly hasOdd: boolean }> {
  const uuids = (await listDomains(virsh)).map(({ uuid }) => uuid);
  const odd: string[] = [];
  const all = await readDomains(virsh, uuids, (uuid) => odd.push(uuid));
  return { all, hasOdd: odd.length > 0 };
}

/** @throws EverthawError VmNotFound */
export async function readDomain(virsh: Virsh, uuid: string): Promise<ReadDomain> {
  // virsh would take a number for another VM's id.
  const [domain] = UUID.test(uuid) ? await readDomains(virsh, [uuid]) : [];
  if (domain === undefined) throw vmNotFound(uuid);
  return domain;
}

/** The commands that say of a domain what {@link readParts} reads. */
export function readCommands(uuid: string): readonly (readonly string[])[] {
  return [
    ['dominfo', uuid],
    ['dumpxml', '--inactive', '--security-info', uuid],
  ];
}

export function readParts(info: string | undefined, xml: string | undefined): ReadDomain | undefined {
  if (info === undefined || xml === undefined) return undefined;
  const said = fieldOf(info, 'State');
  const isRunning = !['shut off', 'no state'].includes(said);
  const hasMemory = said === 'pmsuspended' || fieldOf(info, 'Managed save') === 'yes';
  return {
    domain: parseDomain(xml),
    xml,
    state: hasMemory ? 'suspended' : isRunning ? 'on' : 'off',
    isRunning,
  };
}

/** The last of that name: a VM's own name comes first, and may look like a field. */
function fieldOf(info: string, name: string): string {
  return [...info.matchAll(/^([A-Z][\w ()]*): +(.*)$/gm)].findLast(([, field]) => field === name)?.[2] ?? '';
}

export function vmNotFound(id: string): EverthawError {
  return new EverthawError({
    code: 'VmNotFound',
    what: `find VM ${id}`,
    why: 'libvirt knows none of that id',
    hint: 'see what there is with everthaw vms',
  });
}
