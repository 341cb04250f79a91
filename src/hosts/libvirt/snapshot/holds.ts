import { SNAPSHOT_NAME } from '../../../domain/names.js';
import type { SnapshotInfo } from '../../../domain/vm.js';
import { readHolds } from './holdDirectory.js';
import type { Hold, HoldRecords, SnapshotPlan } from './holdRecords.js';
import { allRoots, rootsOf } from './holdRoots.js';
import type { Libvirt } from '../connection/libvirt.js';
import { lookIfThere } from './vmLook.js';

/** What any run holds of a VM. One that is not defined any more, or was moved, may have left files beside those of another. */
export async function holdsOf(libvirt: Libvirt, instanceUuid: string): Promise<readonly Hold[]> {
  const look = await lookIfThere(libvirt.virsh, instanceUuid);
  const roots = [...(look === undefined ? [] : rootsOf(look)), ...(await allRoots(libvirt))];
  const holds = await readHolds(libvirt.virsh, [...new Set(roots)]);
  return holds.filter(({ owner }) => owner?.vmUuid === instanceUuid);
}

/** A hold as a snapshot; one that is only owed something else (a paused application) is none. */
export function infosOf(hold: Hold): readonly SnapshotInfo[] {
  if (hold.plan !== undefined) return [infoOf(hold, hold.plan)];
  // Nobody must believe that there is nothing.
  if (hold.unreadable.includes('plan')) return [infoOf(hold, { name: SNAPSHOT_NAME, plannedAt: NO_TIME })];
  return [];
}

const NO_TIME = new Date(0).toISOString();

export function infoOf(
  hold: HoldRecords & { readonly path: string },
  plan: Pick<SnapshotPlan, 'name' | 'plannedAt'>,
): SnapshotInfo {
  return {
    id: hold.path,
    name: plan.name,
    description: hold.owner?.description ?? '',
    createdAt: hold.taken?.takenAt ?? plan.plannedAt,
    quiesced: hold.taken?.quiesced ?? false,
    complete: hold.plan !== undefined && hold.taken !== undefined,
  };
}
