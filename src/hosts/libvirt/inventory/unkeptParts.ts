import type { VmDescription } from '../../../domain/vm.js';
import { parseConfiguration } from '../xml/configuration.js';
import type { Virsh } from '../connection/virsh.js';
import { parseTree } from '../xml/xmlTree.js';

/** Files of the host that a VM may be started by directly. */
const BOOT_FILES = ['kernel', 'initrd', 'dtb'] as const;

/** What belongs to a VM and is in no backup of it, in sentences: what one would miss after a restore. */
export function unkeptParts(
  { name, configuration }: Pick<VmDescription, 'name' | 'configuration'>,
  isAutostarted: boolean,
): readonly string[] {
  const domain = parseTree(parseConfiguration(configuration).xml, 'domain');
  const devices = domain.at('devices');
  const has = (device: string): boolean => devices?.at(device) !== undefined;
  const bootFiles = BOOT_FILES.map((file) => domain.at('os', file)?.text() ?? '').filter(
    (path) => path !== '',
  );
  return [
    ...(devices?.at('tpm', 'backend')?.get('type') === 'emulator'
      ? [
          `the state of the TPM of "${name}" is not in the backup: keep the recovery key of disks that the guest encrypts by it`,
        ]
      : []),
    ...(has('filesystem')
      ? [`directories of the host that "${name}" mounts are not in the backup: back them up by themselves`]
      : []),
    ...(bootFiles.length > 0
      ? [
          `"${name}" is started by files of the host that are not in the backup (${bootFiles.join(', ')}): back them up by themselves`,
        ]
      : []),
    ...(has('hostdev')
      ? [
          `devices of the host that "${name}" uses are in the backup by their address only: a host without them does not start it`,
        ]
      : []),
    ...(isAutostarted
      ? [
          `that "${name}" is started with its host is not in the backup: virsh autostart says so of a restored one`,
        ]
      : []),
  ];
}

export async function isAutostarted(
  virsh: Virsh,
  { name, instanceUuid }: Pick<VmDescription, 'name' | 'instanceUuid'>,
): Promise<boolean> {
  const info = await virsh.run(`see whether "${name}" is started with its host`, ['dominfo', instanceUuid]);
  return /^Autostart: +enable$/m.test(info);
}
