import { EverthawError } from '../../../domain/errors.js';
import { formatBytes } from '../../../domain/format.js';
import type { VmDescription } from '../../../domain/vm.js';
import { isHoldPath, unusable } from './holdDirectory.js';
import { HOLD_RECORDS } from './holdRecords.js';
import { rootFor } from './holdRoots.js';
import type { Libvirt } from '../connection/libvirt.js';
import { lookAt, refuseOtherJobs, refuseSaved } from './vmLook.js';

/**
 * What the guest overwrites during a backup is kept on the host: as much as it writes, at most the size of its disks. Where the room
 * ends, QEMU pauses the VM. So there must be a twentieth of the disks before, and never less than a floor.
 */
const SHARE_OF_CAPACITY = 0.05;

/** What would hurt the VM if it were backed up now. @throws EverthawError where it is not to be begun */
export async function checkVm(libvirt: Libvirt, vm: VmDescription): Promise<readonly string[]> {
  const what = `back up "${vm.name}"`;
  const look = await lookAt(libvirt.virsh, vm.instanceUuid);
  refuseOtherJobs(what, look);
  refuseSaved(what, look);
  const root = rootFor(libvirt, look);
  const free = await freeIn(libvirt, root);
  const capacity = vm.disks.reduce((sum, disk) => sum + disk.capacityBytes, 0);
  const floor = libvirt.settings.scratchFloorBytes;
  const needed = floor + Math.round(capacity * SHARE_OF_CAPACITY);
  if (!(free >= needed)) {
    throw new EverthawError({
      code: 'HostStorageFull',
      what,
      why: `${root} has ${formatBytes(free)} left, and what the VM overwrites meanwhile is kept there: ${formatBytes(needed)} are asked for`,
      hint: 'free room there, or name a place with --scratch-directory where there is some',
    });
  }
  return free >= capacity
    ? []
    : [
        `${root} has ${formatBytes(free)} left: if the VM overwrites more than ${formatBytes(free - floor)} during the backup, it is given up`,
      ];
}

/**
 * Looks whether the VM still runs and has room to: one round trip, for it is asked every second.
 *
 * @throws EverthawError HostStorageFull where the backup must be given up
 */
export async function watchVm(libvirt: Libvirt, instanceUuid: string, snapshotId: string): Promise<void> {
  if (!isHoldPath(snapshotId)) return;
  const printed = await libvirt.virsh.script(`watch VM ${instanceUuid}`, WATCH, [instanceUuid, snapshotId]);
  const [state = '', free = '', plan = ''] = printed.split('\n');
  const what = `go on with the backup of VM ${instanceUuid}`;
  if (state.startsWith('paused (I/O error)')) {
    throw new EverthawError({
      code: 'HostStorageFull',
      what,
      why: 'QEMU has paused the VM because it could not write (I/O error); the backup is given up, and the VM goes on then',
      hint: `see how much room the host has, beside its disks and at ${snapshotId}`,
    });
  }
  if (plan === '') {
    throw new EverthawError({
      code: 'SnapshotLost',
      what,
      why: `${snapshotId} is not there any more`,
      hint: 'see who removed it, and start the backup again',
    });
  }
  const { disks } = HOLD_RECORDS.plan.parse(JSON.parse(plan));
  const capacity = disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  // What cannot grow any more needs no room: a scratch file gets no larger than its disk.
  const floor = Math.min(libvirt.settings.scratchFloorBytes, capacity);
  if (Number(free) >= floor) return;
  throw new EverthawError({
    code: 'HostStorageFull',
    what,
    why: `only ${formatBytes(Number(free))} are left where what the VM overwrites is kept, below the floor of ${formatBytes(floor)}; the backup is given up before QEMU would pause the VM`,
    hint: 'free room on the host, or name a place with --scratch-directory where there is more',
  });
}

/** In bytes, as far as whoever asks may use them. */
async function freeIn({ virsh }: Libvirt, root: string): Promise<number> {
  const what = `see how much room is in ${root}`;
  const free = (await virsh.script(what, FREE, [root])).trim();
  if (free !== '') return Number(free);
  throw unusable(what, 'it is no directory that Everthaw’s user may write to there');
}

const FREE = `
[ -d "$1" ] && [ -w "$1" ] || exit 0
df -P -B1 -- "$1" | awk 'NR == 2 { print $4 }'
`;

const WATCH = `
v domstate "$1" --reason || exit 1
df -P -B1 -- "$2" 2> /dev/null | awk 'NR == 2 { print $4 }'
cat "$2/plan.json" 2> /dev/null
exit 0
`;
