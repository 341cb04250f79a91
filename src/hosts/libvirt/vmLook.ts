import { EverthawError } from '../../domain/errors.js';
import type { Domain } from './domain.js';
import { diskElements, readDomain } from './domainXml.js';
import type { Virsh } from './virsh.js';
import { parseTree, type XmlElement } from './xmlTree.js';

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
  const printed = await virsh.run(`look at VM ${uuid}`, [
    // One connection for all; what fails of a VM that is off leaves its place empty.
    `echo ${JOB}; domjobinfo ${uuid}; echo ${STATE}; domstate ${uuid} --reason; domid ${uuid}; echo ${LIVE}; dumpxml ${uuid}; echo ${NEXT}; dumpxml ${uuid} --inactive --security-info`,
  ]);
  const part = (from: string, to?: string): string =>
    printed.slice(printed.indexOf(from) + from.length, to === undefined ? undefined : printed.indexOf(to));
  const [state = '', domainId = '-'] = part(STATE, LIVE)
    .trim()
    .split(/\s*\n\s*/);
  const told = /^(.*?)(?: \((.*)\))?$/.exec(state);
  const live = parseTree(part(LIVE, NEXT).trim(), 'domain');
  return {
    uuid,
    domain: readDomain(live),
    definition: readDomain(parseTree(part(NEXT).trim(), 'domain')),
    state: told?.[1] ?? state,
    reason: told?.[2] ?? '',
    domainId: domainId === '-' ? undefined : domainId,
    job: jobOf(part(JOB, STATE)),
    blockJobs: diskElements(live).flatMap(blockJobOf),
    processUser: processUserOf(live),
  };
}

/** Refuses to begin something while something else works on the VM: libvirt would hang for half a minute, then fail. */
export function refuseBusy(what: string, look: VmLook): void {
  const [blockJob] = look.blockJobs;
  if (look.job === undefined && blockJob === undefined) return;
  const why =
    look.job === undefined
      ? `a block job (${blockJob?.kind ?? ''}) works on its disk ${blockJob?.target ?? ''}`
      : `a job of somebody else works on it (${look.job})`;
  throw new EverthawError({
    code: 'ResourceBusy',
    what,
    why,
    hint: `let it end, or end it: virsh domjobinfo ${look.domain.name}, virsh backup-dumpxml ${look.domain.name}`,
    retry: 'again',
  });
}

const JOB = 'everthaw-job';
const STATE = 'everthaw-state';
const LIVE = 'everthaw-live';
const NEXT = 'everthaw-next';

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
