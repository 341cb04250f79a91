import type { VmDescription } from '../../domain/vm.js';
import { parseConfiguration } from './configuration.js';
import { parseTree } from './xmlTree.js';

/** What belongs to a VM and is in no backup of it, in sentences: what one would miss after a restore. */
export function unkeptParts({
  name,
  configuration,
}: Pick<VmDescription, 'name' | 'configuration'>): readonly string[] {
  const devices = parseTree(parseConfiguration(configuration).xml, 'domain').at('devices');
  const has = (device: string): boolean => devices?.at(device) !== undefined;
  return [
    ...(devices?.at('tpm', 'backend')?.get('type') === 'emulator'
      ? [
          `the state of the TPM of "${name}" is not in the backup: keep the recovery key of disks that the guest encrypts by it`,
        ]
      : []),
    ...(has('filesystem')
      ? [`directories of the host that "${name}" mounts are not in the backup: back them up by themselves`]
      : []),
  ];
}
