import { EverthawError, isErrorWithCode } from '../../../domain/errors.js';
import { requireVm } from './marks.js';
import { requireOff } from './power.js';
import type { Virsh } from '../connection/virsh.js';

/** libvirt renames only what is off and has neither snapshots nor checkpoints: their descriptions name the VM. */
export async function renameVm(virsh: Virsh, moref: string, name: string): Promise<void> {
  const read = await requireVm(virsh, moref);
  const { domain } = read;
  if (domain.name === name) return;
  requireOff(read, 'rename');
  const what = `rename VM "${domain.name}" to "${name}"`;
  try {
    await virsh.run(what, ['domrename', domain.uuid, name]);
  } catch (error) {
    if (!isErrorWithCode(error, 'HostFault') || !/snapshot|checkpoint|already exists/i.test(error.why))
      throw error;
    const isTaken = /already exists/i.test(error.why);
    throw new EverthawError({
      code: isTaken ? 'RestoreTargetExists' : 'VmInUse',
      what,
      why: error.why,
      hint: isTaken
        ? 'rename or remove the VM that has the name'
        : 'remove them first (virsh snapshot-delete --metadata, virsh checkpoint-delete --metadata), or restore under another name',
      cause: error,
    });
  }
}
