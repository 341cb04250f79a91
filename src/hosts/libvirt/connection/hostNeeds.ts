import { EverthawError } from '../../../domain/errors.js';
import type { VmDescription } from '../../../domain/vm.js';
import type { Libvirt } from './libvirt.js';
import { modeFor } from '../snapshot/snapshotPlan.js';
import { lookAt } from '../snapshot/vmLook.js';

/**
 * Whether the host has what a backup of the VM will need of it, asked before anything is touched: what is missing would else be
 * found out with the VM held, or after all of its disks were read.
 *
 * @throws EverthawError ProgramMissing, NotPermitted
 */
export async function checkHostNeeds(
  libvirt: Libvirt,
  { name, instanceUuid }: Pick<VmDescription, 'name' | 'instanceUuid'>,
): Promise<void> {
  const { virsh } = libvirt;
  const what = `back up "${name}"`;
  const look = await lookAt(virsh, instanceUuid);
  const nvram = look.definition.nvram ?? '';
  const args = [await modeFor(libvirt, look), look.processUser ?? '', nvram];
  const lacking = (await virsh.script(`see what the host has to ${what}`, LACKING, args)).trim();
  if (lacking === '') return;
  if (lacking === 'nvram') {
    throw new EverthawError({
      code: 'NotPermitted',
      what,
      why: `the variables of its firmware (${nvram}) cannot be read by Everthaw's user on ${virsh.shell.where}`,
      hint: 'let that user read the file (setfacl), or use the host as root: see docs/privileges.md',
    });
  }
  throw new EverthawError({
    code: 'ProgramMissing',
    what,
    why: `there is no ${lacking} on ${virsh.shell.where}`,
    hint: `install it there (${lacking === 'setfacl' ? 'acl' : 'qemu-utils'})`,
  });
}

/** What is lacking, the first of it. A file of variables that is not there yet is made with the VM's first start. */
const LACKING = `
mode=$1 user=$2 nvram=$3
has() { command -v "$1" > /dev/null || { echo "$1"; exit 0; }; }
if [ "$mode" = overlay ]; then
  has qemu-nbd
  has qemu-img
fi
me=$(id -u)
[ -z "$user" ] || [ "$me" = 0 ] || [ "$user" = "$me" ] || has setfacl
[ -z "$nvram" ] || [ -r "$nvram" ] && exit 0
LC_ALL=C stat -- "$nvram" 2>&1 | grep -q 'No such file' || echo nvram
`;
