import { finding, findings, type Finding } from '../../../domain/finding.js';
import { EverthawError } from '../../../domain/errors.js';
import type { VmDescription } from '../../../domain/vm.js';
import type { Libvirt } from '../connection/libvirt.js';
import { isBackedUp, refusalOf } from '../inventory/diskRefusal.js';
import { rootFor } from './holdRoots.js';
import { modeFor } from './snapshotPlan.js';
import { lookAt } from './vmLook.js';

/** Where sockets are made whose hold directory has too long a path. */
const SOCKETS = '/var/tmp';

/** What Everthaw's user may do on the host, as far as a backup of the VM needs it (docs/privileges.md). */
export async function examineVm(libvirt: Libvirt, vm: VmDescription): Promise<readonly Finding[]> {
  const on = `VM "${vm.name}"`;
  return findings('rights', on, async () => {
    const look = await lookAt(libvirt.virsh, vm.instanceUuid);
    const mode = await modeFor(libvirt, look);
    const disks = look.domain.disks.filter((disk) => isBackedUp(disk) && refusalOf(disk) === undefined);
    const paths = disks.flatMap(({ path }) => path ?? []);
    const root = rootFor(libvirt, look);
    const sockets = libvirt.settings.socketDirectory ?? SOCKETS;
    return [
      { check: 'point in time', on, state: 'ok', found: TOLD[mode] },
      await finding('hold directory', root, () => may(libvirt, 'w', [root])),
      await finding('sockets', sockets, () => may(libvirt, 'w', [sockets])),
      // QEMU itself reads the images of a VM that runs.
      ...(mode === 'pull' ? [] : [await finding('images', on, () => may(libvirt, 'rw', paths))]),
    ];
  });
}

const TOLD = { pull: 'by a backup job (pull)', overlay: 'by an overlay' } as const;

/** @throws EverthawError NotPermitted with the first that may not be used that way */
async function may({ virsh }: Libvirt, how: 'w' | 'rw', paths: readonly string[]): Promise<string> {
  const what = `see what Everthaw’s user may do on ${virsh.shell.where}`;
  const refused = (await virsh.script(what, MAY, [how, ...paths])).trim();
  const told = how === 'w' ? 'written to' : 'read and written';
  if (refused === '') return `may be ${told}`;
  throw new EverthawError({
    code: 'NotPermitted',
    what,
    why: `${refused} may not be ${told}`,
    hint: 'let that user (setfacl), use the host as root, or say --scratch-directory: see docs/privileges.md',
  });
}

const MAY = `
how=$1
shift
for path; do
  [ "$how" = w ] || [ -r "$path" ] || { printf '%s\\n' "$path"; exit 0; }
  [ -w "$path" ] || { printf '%s\\n' "$path"; exit 0; }
done
`;
