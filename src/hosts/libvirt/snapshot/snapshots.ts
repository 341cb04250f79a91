import type { Absence } from '../../../domain/holding.js';
import type { SnapshotInfo } from '../../../domain/vm.js';
import { holdPrefix, readHolds } from './holdDirectory.js';
import type { Hold } from './holdRecords.js';
import { allRoots } from './holdRoots.js';
import { holdsOf, infosOf } from './holds.js';
import type { Libvirt } from '../connection/libvirt.js';
import { releaseHold } from './releaseHold.js';
import { lookIfThere } from './vmLook.js';

export async function listSnapshots(
  libvirt: Libvirt,
  instanceUuid: string,
): Promise<readonly SnapshotInfo[]> {
  return (await holdsOf(libvirt, instanceUuid)).flatMap(infosOf);
}

/** Removes one point in time: what was written since is in the VM's own disks when this returns. */
export async function commitSnapshot(
  libvirt: Libvirt,
  instanceUuid: string,
  snapshotId: string,
): Promise<void> {
  await releaseHold(libvirt, instanceUuid, snapshotId);
}

/** Gone is what has no hold directory, for that is removed last: after job, overlays, exports and files, and with the VM running. */
export async function snapshotAbsence(
  libvirt: Libvirt,
  instanceUuid: string,
  ours: (snapshot: SnapshotInfo) => boolean,
): Promise<Absence> {
  const holds = await holdsOf(libvirt, instanceUuid);
  const found = holds.flatMap(infosOf).find(ours);
  if (found !== undefined) return { state: 'present', why: `${found.id} is still there` };
  const look = await lookIfThere(libvirt.virsh, instanceUuid);
  const orphan = [...(look?.domain.disks ?? []), ...(look?.definition.disks ?? [])]
    .flatMap(({ path, backing }) => [path, ...backing.map((image) => image.path)])
    .find((path) => path !== undefined && isOrphan(path, instanceUuid, holds));
  return orphan === undefined
    ? { state: 'gone' }
    : { state: 'present', why: `the VM uses ${orphan}, whose record is lost` };
}

function isOrphan(path: string, vmUuid: string, holds: readonly Hold[]): boolean {
  return path.includes(`/${holdPrefix(vmUuid)}`) && !holds.some((hold) => path.startsWith(`${hold.path}/`));
}

export async function listAllSnapshots(
  libvirt: Libvirt,
  name: string,
): Promise<readonly { vmUuid: string; vmName: string; snapshot: SnapshotInfo }[]> {
  const holds = await readHolds(libvirt.virsh, await allRoots(libvirt));
  return holds.flatMap((hold) =>
    infosOf(hold)
      .filter((snapshot) => snapshot.name === name)
      .map((snapshot) => ({
        vmUuid: hold.owner?.vmUuid ?? '',
        vmName: hold.owner?.vmName ?? '',
        snapshot,
      })),
  );
}
