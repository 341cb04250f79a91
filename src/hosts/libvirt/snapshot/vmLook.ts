import { EverthawError, isErrorWithCode } from '../../../domain/errors.js';
import type { Domain } from '../xml/domain.js';
import { diskElements, parseDomain, readDomain } from '../xml/domainXml.js';
import type { Virsh } from '../connection/virsh.js';
import { virshBatch } from '../connection/virshBatch.js';
import { parseTree, type XmlElement } from '../xml/xmlTree.js';

/** A VM at one moment, as much as letting go of it needs to know. */
export interface VmLook {
  /** libvirt's own id of it, which its commands take. */
  readonly uuid: string;
  /** What runs, or what would be started. */
  readonly domain: Domain;
  /** What would be started next; the same as `domain` where the VM is off. */
  readonly definition: Domain;
  /** As virsh says it: `running`, `paused`, `shut off`. */
  readonly state: string;
  /** Why it is in that state: `I/O error`, `shutdown`. */
  readonly reason: string;
  /** Changes with every start; undefined while there is no process of it. */
  readonly domainId: string | undefined;
  /** Its memory lies in a file, and the disks that go with it are named there. */
  readonly hasSavedMemory: boolean;
  /** The job that works on the whole VM, as libvirt names it. */
  readonly job: string | undefined;
  /** Disks that a block job works on. */
  readonly blockJobs: readonly BlockJob[];
  /** User that its process runs as, where that may be another than the one that asks. */
  readonly processUser: string | undefined;
}

export interface BlockJob {
  readonly target: string;
  readonly kind: string;
  readonly isReady: boolean;
}

/** @throws EverthawError VmNotFound */
export async function lookAt(virsh: Virsh, uuid: string): Promise<VmLook> {
  // virsh would take a number for another VM's id.
  if (!/^[0-9a-f-]{36}$/i.test(uuid)) throw vmNotFound(uuid);
  const [info, state, domainId, job, live, next] = await virshBatch(virsh, `look at VM ${uuid}`, [
    ['dominfo', uuid],
    ['domstate', uuid, '--reason'],
    ['domid', uuid],
    ['domjobinfo', uuid],
    ['dumpxml', uuid],
    ['dumpxml', uuid, '--inactive'],
  ]);
  if (live === undefined) throw vmNotFound(uuid);
  const told = /^(.*?)(?: \((.*)\))?$/.exec(state?.trim() ?? '');
  const tree = parseTree(live.trim(), 'domain');
  const id = domainId?.trim() ?? '-';
  return {
    uuid,
    domain: readDomain(tree),
    definition: next === undefined ? readDomain(tree) : parseDomain(next.trim()),
    state: told?.[1] ?? '',
    reason: told?.[2] ?? '',
    domainId: id === '-' ? undefined : id,
    hasSavedMemory: /^Managed save: +yes$/m.test(info ?? ''),
    job: jobOf(job ?? ''),
    blockJobs: diskElements(tree).flatMap(blockJobOf),
    processUser: processUserOf(tree),
  };
}

/** Undefined where it is not defined any more and does not run. */
export async function lookIfThere(virsh: Virsh, uuid: string): Promise<VmLook | undefined> {
  try {
    return await lookAt(virsh, uuid);
  } catch (error) {
    if (isErrorWithCode(error, 'VmNotFound')) return undefined;
    throw error;
  }
}

/** Refuses to begin something while something else works on the VM: libvirt would hang for half a minute, then fail. */
export function refuseOtherJobs(what: string, { domain, job, blockJobs: [blockJob] }: VmLook): void {
  if (job === undefined && blockJob === undefined) return;
  throw new EverthawError({
    code: 'ResourceBusy',
    what,
    why:
      blockJob === undefined
        ? `another job works on it already (${job ?? ''})`
        : `a block job (${blockJob.kind}) works on its disk ${blockJob.target}`,
    hint: `let it end, or end it: virsh domjobinfo ${domain.name}, virsh domjobabort ${domain.name}`,
    retry: 'again',
  });
}

/** Its memory goes with the disks as they are named in the file; they would be written to past any snapshot. */
export function refuseSaved(what: string, { hasSavedMemory, domain }: VmLook): void {
  if (!hasSavedMemory) return;
  throw new EverthawError({
    code: 'VmInUse',
    what,
    why: 'its memory is saved, and goes with its disks as they are',
    hint: `start it (virsh start ${domain.name}), or throw its memory away (virsh managedsave-remove)`,
  });
}

function vmNotFound(id: string): EverthawError {
  return new EverthawError({
    code: 'VmNotFound',
    what: `look at VM ${id}`,
    why: 'libvirt knows none of that id',
    hint: 'see what there is with everthaw vms',
  });
}

function jobOf(info: string): string | undefined {
  const field = (name: string): string => new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'm').exec(info)?.[1] ?? '';
  const type = field('Job type');
  if (type === '' || type === 'None') return undefined;
  return field('Operation') === '' ? type : field('Operation');
}

function blockJobOf(disk: XmlElement): readonly BlockJob[] {
  const mirror = disk.at('mirror');
  if (mirror === undefined) return [];
  return [
    {
      target: disk.at('target')?.get('dev') ?? '',
      kind: mirror.get('job') ?? 'copy',
      isReady: mirror.get('ready') === 'yes',
    },
  ];
}

/** `+64055:+64055` in a running VM's security label is what libvirt's own user gives QEMU. */
function processUserOf(live: XmlElement): string | undefined {
  const label = live
    .elements('seclabel')
    .find((seclabel) => seclabel.get('model') === 'dac')
    ?.at('label')
    ?.text();
  return /^\+?(\w+):/.exec(label ?? '')?.[1];
}
