import { EverthawError } from '../../../domain/errors.js';
import type { VmFile } from '../../../domain/vm.js';
import type { SourceProgram } from '../../../system/sourceProgram.js';
import { describeDomain, xmlOf } from './description.js';
import { readDomain } from './domains.js';
import type { Virsh } from '../connection/virsh.js';

/** Names that they have in a backup: on the host they are called after the VM, or have no file. */
export const DOMAIN_FILE = 'domain.xml';
export const NVRAM_FILE = 'nvram.fd';

/** The VM's definition, and the variables of its firmware where it has any. */
export async function listVmFiles(virsh: Virsh, instanceUuid: string): Promise<readonly VmFile[]> {
  const definition: VmFile = { role: 'domain', path: DOMAIN_FILE };
  const { domain } = await readDomain(virsh, instanceUuid);
  if (domain.nvram === undefined) return [definition];
  const { exit, stderr } = await virsh.shell.run('env', ['LC_ALL=C', 'stat', '--', domain.nvram]);
  // Until a VM is started for the first time there is only its name. What may not be seen is there: reading it will tell.
  if (exit !== 0 && stderr.includes('No such file')) return [definition];
  return [definition, { role: 'nvram', path: NVRAM_FILE }];
}

export async function downloadVmFile(
  virsh: Virsh,
  file: VmFile,
  instanceUuid: string,
): Promise<SourceProgram> {
  const described = await describeDomain(virsh, instanceUuid);
  const { name, nvram } = described.read.domain;
  const what = `${file.path} of "${name}"`;
  if (file.role === 'domain') return virsh.shell.command('cat', [], what, xmlOf(described));
  if (file.role === 'nvram' && nvram !== undefined) return virsh.shell.command('cat', ['--', nvram], what);
  throw new EverthawError({
    code: 'HostFault',
    what: `read ${what}`,
    why: 'the VM has no such file any more',
    hint: 'somebody changed its firmware meanwhile: run it again',
    retry: 'again',
  });
}
