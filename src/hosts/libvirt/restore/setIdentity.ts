import { EverthawError } from '../../../domain/errors.js';
import { define } from './define.js';
import { morefOf } from '../xml/domain.js';
import { editDomain, setName, setUuid } from '../xml/domainEdit.js';
import { readAllDomains, vmNotFound, type ReadDomain } from '../inventory/domains.js';
import { oneOf, noteOn } from './marks.js';
import { writeRestored } from '../xml/metadata.js';
import { requireOff } from './power.js';
import { undefineVm } from './undefine.js';
import type { Virsh } from '../connection/virsh.js';
import { virshBatch } from '../connection/virshBatch.js';

/**
 * Gives a restored VM another uuid. libvirt cannot change one, and has one domain for each uuid and for each name. So a stand-in is
 * defined under the new uuid and a name of its own, whose note says what it becomes; then the domain with the old uuid goes, and
 * the stand-in takes its name, and the note that it is one goes last.
 *
 * Why it is safe: the VM is defined at every moment, with all that it is, in libvirt's own durable files, so that a kill between
 * two steps loses nothing and the next attempt reads from the notes how far it came. While both are there they count as one VM,
 * and QEMU's own locks of the images keep them from running at once. No step touches a disk.
 */
export async function setIdentity(virsh: Virsh, moref: string, uuid: string): Promise<void> {
  const wanted = uuid.toLowerCase();
  const all = await readAllDomains(virsh);
  const standIn = all.find(({ domain }) => domain.uuid === wanted && domain.restored?.becomes !== undefined);
  const old = oneOf(all, moref);
  if (standIn !== undefined && morefOf(standIn.domain) === moref) {
    await finish(virsh, standIn, old?.domain.uuid === wanted ? undefined : old);
    return;
  }
  if (old === undefined) throw vmNotFound(moref);
  if (old.domain.uuid === wanted) return;
  const what = `give VM "${old.domain.name}" the uuid ${wanted}`;
  requireOff(old, 'give another uuid to');
  const holder = all.find(({ domain }) => domain.uuid === wanted);
  if (holder !== undefined)
    throw refused(what, `"${holder.domain.name}" has it`, 'remove that one, or restore under another name');
  const { uuid: oldUuid, name } = old.domain;
  const [snapshots, checkpoints] = await virshBatch(virsh, what, [
    ['snapshot-list', oldUuid, '--name'],
    ['checkpoint-list', oldUuid, '--name'],
  ]);
  if (snapshots !== undefined || checkpoints !== undefined)
    throw refused(what, 'somebody made a snapshot or a checkpoint of it meanwhile', 'remove that');
  await define(
    virsh,
    what,
    editDomain(old.xml, (tree) => {
      setUuid(tree, wanted);
      setName(tree, `${name}.taking-${wanted.slice(0, 8)}`);
      writeRestored(tree, {
        id: moref,
        ...old.domain.restored,
        uuid: wanted,
        becomes: { instead: oldUuid, name },
      });
    }),
  );
  const made = (await readAllDomains(virsh)).find(({ domain }) => domain.uuid === wanted);
  if (made === undefined) throw vmNotFound(wanted);
  await finish(virsh, made, old);
}

/** From wherever an earlier attempt came. */
async function finish(virsh: Virsh, standIn: ReadDomain, old: ReadDomain | undefined): Promise<void> {
  const { uuid, restored, name } = standIn.domain;
  if (restored?.becomes === undefined) return;
  const { becomes } = restored;
  const what = `give VM "${becomes.name}" the uuid ${uuid}`;
  if (old !== undefined) {
    requireOff(old, 'give another uuid to');
    await undefineVm(virsh, what, old.domain, { nvram: 'keep' });
  }
  if (name !== becomes.name) await virsh.run(what, ['domrename', uuid, becomes.name]);
  await noteOn(
    virsh,
    what,
    editDomain(standIn.xml, (tree) => {
      setName(tree, becomes.name);
    }),
    { ...restored, becomes: undefined },
  );
}

function refused(what: string, why: string, hint: string): EverthawError {
  return new EverthawError({ code: 'VmInUse', what, why, hint, retry: 'again' });
}
