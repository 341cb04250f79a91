import { EverthawError } from '../../../domain/errors.js';
import type { MarkedVm } from '../../host.js';
import { define } from './define.js';
import { morefOf } from '../xml/domain.js';
import { editDomain } from '../xml/domainEdit.js';
import { readAllDomains, vmNotFound, type ReadDomain } from '../inventory/domains.js';
import { summarise, withoutStandIns } from '../inventory/inventory.js';
import { writeRestored, type Restored } from '../xml/metadata.js';
import type { Virsh } from '../connection/virsh.js';

/** All VMs that bear a mark of a restore under way. */
export async function listMarkedVms(virsh: Virsh): Promise<readonly MarkedVm[]> {
  return withoutStandIns(await readAllDomains(virsh)).flatMap((read) => {
    const mark = read.domain.restored?.mark;
    if (mark === undefined) return [];
    const { moref, instanceUuid, name, powerState } = summarise(read);
    return [{ moref, instanceUuid, name, powerState, mark }];
  });
}

/** The one domain of that id of ours; undefined where there is none. Unlike a search, it takes nothing for it that merely might be. */
export function oneOf(all: readonly ReadDomain[], moref: string): ReadDomain | undefined {
  const [found, ...others] = withoutStandIns(all).filter(({ domain }) => morefOf(domain) === moref);
  if (others.length === 0) return found;
  throw new EverthawError({
    code: 'VmAmbiguous',
    what: `find VM ${moref}`,
    why: `${others.length + 1} VMs bear that id`,
    hint: 'take the everthaw note out of all but one (virsh edit)',
  });
}

/** @throws EverthawError VmNotFound */
export async function requireVm(virsh: Virsh, moref: string): Promise<ReadDomain> {
  const found = oneOf(await readAllDomains(virsh), moref);
  if (found === undefined) throw vmNotFound(moref);
  return found;
}

/** Takes the mark off: the VM is whole. What tells it from others stays. */
export async function unmarkVm(virsh: Virsh, moref: string): Promise<void> {
  const { domain, xml } = await requireVm(virsh, moref);
  if (domain.restored?.mark === undefined) return;
  const what = `take the restoring mark off VM "${domain.name}"`;
  await noteOn(virsh, what, xml, { ...domain.restored, mark: undefined });
}

/** Replaces what is noted on a domain, and nothing else of it. */
export async function noteOn(virsh: Virsh, what: string, xml: string, note: Restored): Promise<void> {
  await define(
    virsh,
    what,
    editDomain(xml, (tree) => {
      writeRestored(tree, note);
    }),
  );
}
