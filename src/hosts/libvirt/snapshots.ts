import type { Absence } from '../../domain/holding.js';
import type { SnapshotInfo } from '../../domain/vm.js';
import type { SnapshotRequest, SnapshotTaken } from '../host.js';
import { endFreeze, freezeFailed, readyFreeze, type ReadyFreeze } from './freeze.js';
import { holdPath, holdPrefix, readHold, readHolds, writeRecords } from './holdDirectory.js';
import { prepareFiles } from './holdFiles.js';
import type { Hold, HoldOwner, SnapshotPlan } from './holdRecords.js';
import { allRoots, rootFor } from './holdRoots.js';
import { holdsOf } from './holds.js';
import { hostNow } from './hostClock.js';
import type { Libvirt } from './libvirt.js';
import { takeOverlays } from './overlay.js';
import { takePointInTime } from './pointInTime.js';
import { beginBackup } from './pullBackup.js';
import { releaseHold } from './releaseHold.js';
import { planSnapshot } from './snapshotPlan.js';
import { virshFault } from './virsh.js';
import { lookAt, lookIfThere, refuseOtherJobs, refuseSaved, type VmLook } from './vmLook.js';

/** Takes a point in time of all disks, by a backup job or by overlays. What an earlier attempt of the run left is let go first. */
export async function takeSnapshot(
  libvirt: Libvirt,
  instanceUuid: string,
  request: SnapshotRequest,
  signal: AbortSignal,
): Promise<SnapshotTaken> {
  const { virsh } = libvirt;
  const first = await lookAt(virsh, instanceUuid);
  const path = holdPath(rootFor(libvirt, first), instanceUuid, request.runId);
  const earlier = await settleEarlier(libvirt, path);
  if (earlier !== undefined) return { snapshot: earlier, frozenAtMostMs: 0, warnings: [] };

  const look = await lookAt(virsh, instanceUuid);
  const what = `take snapshot "${request.name}" of VM "${look.domain.name}"`;
  refuseOtherJobs(what, look);
  refuseSaved(what, look);
  const now = await hostNow(virsh);
  const plan = await planSnapshot(libvirt, path, request.name, look, now);
  const owner: HoldOwner = {
    vmUuid: instanceUuid,
    vmName: look.domain.name,
    runId: request.runId,
    description: request.description,
  };
  signal.throwIfAborted();
  await writeRecords(virsh, path, { plan, owner });
  try {
    await prepareFiles(libvirt, path, plan, look);
    signal.throwIfAborted();
    const freeze = request.quiesce ? await readyFreeze(libvirt, path, look, now) : undefined;
    const { taken, ...told } = await take(libvirt, path, plan, look, freeze);
    await writeRecords(virsh, path, { taken });
    return { snapshot: infoOf({ path, owner, plan, taken }, plan), ...told };
  } catch (error) {
    // What cannot be let go now is found by its records, by whoever comes next.
    await releaseHold(libvirt, instanceUuid, path).catch(() => undefined);
    throw error;
  }
}

async function take(
  libvirt: Libvirt,
  path: string,
  plan: SnapshotPlan,
  look: VmLook,
  freeze: ReadyFreeze | undefined,
) {
  const what = `take snapshot "${plan.name}" of VM "${look.domain.name}"`;
  const seconds = libvirt.settings.switchSeconds;
  const command = plan.mode === 'pull' ? beginBackup(path, look) : takeOverlays(path, plan, look);
  const outcome = await takePointInTime(
    libvirt,
    path,
    look.uuid,
    command,
    freeze === undefined ? undefined : seconds,
  );
  const { held, warnings } =
    freeze === undefined ? stillness(look) : await endFreeze(libvirt, path, freeze, outcome);
  if (freeze !== undefined && outcome.frozen === undefined) throw freezeFailed(look, outcome, seconds);
  if (!outcome.isTaken) throw virshFault(what, 1, outcome.takeSaid);
  return {
    taken: { takenAt: outcome.at, quiesced: held },
    frozenAtMostMs: freeze === undefined ? 0 : outcome.frozenMs,
    warnings,
  };
}

/** A VM that was shut down by its own system is as still as a frozen one. */
function stillness({ domainId, reason }: VmLook): { held: boolean; warnings: readonly string[] } {
  if (domainId !== undefined) return { held: false, warnings: [] };
  if (reason === 'shutdown') return { held: true, warnings: [] };
  return {
    held: false,
    warnings: [
      `the VM is off, and was not seen to be shut down in an orderly way (${reason}): it counts as crash-consistent`,
    ],
  };
}

/** The point in time that an earlier attempt of the run took; what it only began is released. */
async function settleEarlier(libvirt: Libvirt, path: string): Promise<SnapshotInfo | undefined> {
  const hold = await readHold(libvirt.virsh, path);
  if (hold?.plan === undefined && hold?.freezing === undefined) return undefined;
  if (hold.plan !== undefined && hold.taken !== undefined && hold.freezing === undefined)
    return infoOf(hold, hold.plan);
  await releaseHold(libvirt, hold.owner?.vmUuid ?? '', path);
  return undefined;
}

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

/** A hold as a snapshot; one that is only owed something else (a paused application) is none. */
function infosOf(hold: Hold): readonly SnapshotInfo[] {
  return hold.plan === undefined ? [] : [infoOf(hold, hold.plan)];
}

function infoOf(hold: Hold, plan: SnapshotPlan): SnapshotInfo {
  return {
    id: hold.path,
    name: plan.name,
    description: hold.owner?.description ?? '',
    createdAt: hold.taken?.takenAt ?? plan.plannedAt,
    quiesced: hold.taken?.quiesced ?? false,
    complete: hold.taken !== undefined,
  };
}
