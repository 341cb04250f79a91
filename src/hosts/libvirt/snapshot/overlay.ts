import type { SnapshotPlan } from './holdRecords.js';
import { virshWord } from '../connection/virsh.js';
import type { VmLook } from './vmLook.js';

/*
 * An external snapshot: the VM goes on writing to an overlay above each disk, and the disk's own file stays as it was at that
 * moment until the overlay is committed into it.
 */

export function overlayFile(hold: string, target: string): string {
  return `${hold}/${target}.overlay`;
}

/** The command that takes all disks at one moment, for virsh. It works on a VM that is off, too. */
export function takeOverlays(hold: string, plan: SnapshotPlan, { uuid, domain }: VmLook): string {
  const specs = domain.disks.map(({ target }) => {
    const isHeld = plan.disks.some((held) => held.target === target);
    return `--diskspec ${virshWord(isHeld ? `${target},snapshot=external,file=${overlayFile(hold, target).replaceAll(',', ',,')}` : `${target},snapshot=no`)}`;
  });
  return `snapshot-create-as ${uuid} --disk-only --atomic --no-metadata ${specs.join(' ')}`;
}
