import { EverthawError } from '../domain/errors.js';
import type { DiskDescription } from '../domain/vm.js';

/** The host opened something else than the disk that was meant. */
export function wrongExport(disk: DiskDescription): EverthawError {
  return new EverthawError({
    code: 'HostFault',
    what: `read disk ${disk.label}`,
    why: `what the host offers is not a disk of ${disk.capacityBytes} bytes`,
    hint: 'the disk was changed while the backup began: run it again',
    retry: 'again',
  });
}
