import { EverthawError } from '../../../domain/errors.js';
import type { SnapshotInfo } from '../../../domain/vm.js';
import type { SnapshotRequest, SnapshotTaken } from '../../host.js';
import { endFreeze, freezeFailed, readyFreeze, type ReadyFreeze } from '../guest/freeze.js';
import { holdPath, readHold, writeRecords } from './holdDirectory.js';
import { prepareFiles } from './holdFiles.js';
import type { HoldOwner, SnapshotPlan } from './holdRecords.js';
import { rootFor } from './holdRoots.js';
import { infoOf } from './holds.js';
import { hostNow } from '../connection/hostClock.js';
import type { Libvirt } from '../connection/libvirt.js';
import { takeOverlays } from './overlay.js';
import { takePointInTime } from './pointInTime.js';
import { beginBackup } from './pullBackup.js';
import { releaseHold } from './releaseHold.js';
import { planSnapshot } from './snapshotPlan.js';
import { virshFault } from '../connection/virsh.js';
import { lookAt, refuseOtherJobs, refuseSaved, type VmLook } from './vmLook.js';

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
  if (!outcome.isTaken) throw notTaken(what, plan, outcome.takeSaid);
  return {
    taken: { takenAt: outcome.at, quiesced: held },
    frozenAtMostMs: freeze === undefined ? 0 : outcome.frozenMs,
    warnings,
  };
}

function notTaken(what: string, { mode }: SnapshotPlan, said: string): EverthawError {
  if (mode === 'overlay' || !/support/i.test(said)) return virshFault(what, 1, said);
  return new EverthawError({
    code: 'HostFault',
    what,
    why: said,
    hint: 'its QEMU may be too old for backup jobs: take it with --point-in-time overlay',
  });
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
