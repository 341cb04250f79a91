import { EverthawError } from '../../../domain/errors.js';
import type { SnapshotPlan } from './holdRecords.js';
import type { Libvirt } from '../connection/libvirt.js';
import { backupXml } from './pullBackup.js';
import type { VmLook } from './vmLook.js';

/*
 * Files that a point in time needs beside its records. Sockets have a directory of their own, which QEMU's user may write to: as
 * root we give it to that user; as another user an access control list lets both in, since a socket that QEMU makes is closed to
 * others. Where QEMU is confined by AppArmor, its profile must allow the directory, as for every other backup tool.
 */

/** Makes the directory for sockets, and what libvirt reads. */
export async function prepareFiles(
  { virsh }: Libvirt,
  hold: string,
  plan: SnapshotPlan,
  look: VmLook,
): Promise<void> {
  const xml = plan.mode === 'pull' ? backupXml(hold, plan) : '';
  const user = look.processUser ?? '';
  await virsh.script(`prepare a point in time of VM "${look.domain.name}"`, PREPARE, [
    ...[hold, plan.socketDirectory, user, xml],
  ]);
}

/** Removes what a point in time left, when nothing uses it any more: files of known names, nothing recursively. */
export async function removeFiles({ virsh }: Libvirt, hold: string, plan: SnapshotPlan): Promise<void> {
  const { socketDirectory: sockets } = plan;
  if (sockets !== `${hold}/s` && !/^\/.*\/\.everthaw-[0-9a-f]{12}$/.test(sockets)) {
    throw new EverthawError({
      code: 'HostFault',
      what: `clean up ${hold}`,
      why: `its record names "${sockets}", which is none of ours, as the place of its sockets`,
      hint: 'somebody has changed the record: look at the directory, and remove it by hand',
    });
  }
  await virsh.script(`remove the files of ${hold}`, REMOVE, [hold, sockets]);
}

const PREPARE = `
hold=$1 sockets=$2 user=$3
umask 077
[ -z "$4" ] || printf %s "$4" > "$hold/backup.xml" || exit 1
mkdir -m 700 "$sockets" || exit 1
me=$(id -u)
[ -z "$user" ] || [ "$user" = "$me" ] && exit 0
if [ "$me" = 0 ]; then
  chown "$user" "$sockets"
else
  setfacl -m "u:$user:rwx" -m "d:u:$me:rwx" "$sockets" || { echo 'setfacl (package acl) is needed to share a socket with QEMU’s user' >&2; exit 1; }
fi
`;

const REMOVE = `
hold=$1 sockets=$2
cd "$hold" 2> /dev/null || exit 0
rm -f ./*.scratch ./*.overlay || exit 1
[ -d "$sockets" ] || exit 0
rm -f "$sockets/nbd" "$sockets"/*.nbd && rmdir "$sockets"
`;
