import type { HeldDisk, SnapshotPlan } from './holdRecords.js';
import type { Libvirt } from '../connection/libvirt.js';

/*
 * Below an overlay the disk's own image stays as it was; qemu-nbd reads it, backing files and all. It stands on the host, apart from
 * whoever started it, and is ended before the overlay is committed: with a reader on the image that fails.
 */

/** How many connections may read one disk at the same time. */
const CONNECTIONS = 16;

export function readerSocket({ socketDirectory }: SnapshotPlan, { target }: HeldDisk): string {
  return `${socketDirectory}/${target}.nbd`;
}

/** Serves a disk's image on its socket, unless that is done already. */
export async function startReader(
  { virsh }: Libvirt,
  hold: string,
  plan: SnapshotPlan,
  disk: HeldDisk,
): Promise<void> {
  await virsh.script(`serve disk ${disk.target} as it was`, START, [
    ...[hold, readerSocket(plan, disk), disk.target, disk.format, disk.path, String(CONNECTIONS)],
  ]);
}

/** Ends every reader of a hold, and returns when they are gone. */
export async function endReaders({ virsh }: Libvirt, hold: string, plan: SnapshotPlan): Promise<void> {
  await virsh.script(`end what reads disks for ${hold}`, END, [hold, plan.socketDirectory]);
}

/**
 * Processes are found by their program and socket, which no other has: one whose starter was killed has told nobody its number.
 */
const READERS = `
readers() {
  for process in $(grep -laF -- "$1" /proc/[0-9]*/cmdline 2> /dev/null); do
    process=\${process%/cmdline}
    case $(readlink "$process/exe") in */qemu-nbd | */qemu-nbd\\ *) echo "\${process#/proc/}" ;; esac
  done
}
`;

const START = `${READERS}
hold=$1 socket=$2 name=$3 format=$4 image=$5 connections=$6
exec 9>> "$hold/lock" && flock 9 || exit 1
[ -z "$(readers "$socket")" ] || exit 0
rm -f "$socket"
exec qemu-nbd --read-only --persistent --shared "$connections" --fork \\
  --socket "$socket" --export-name "$name" --format "$format" -- "$image" 9>&-
`;

const END = `${READERS}
[ -d "$1" ] || exit 0
exec 9>> "$1/lock" && flock 9 || exit 1
tries=0
while found=$(readers "$2/") && [ -n "$found" ]; do
  [ "$tries" -lt 100 ] || { echo "process $found does not end" >&2; exit 1; }
  tries=$((tries + 1))
  kill -KILL $found
  sleep 0.05
done
`;
