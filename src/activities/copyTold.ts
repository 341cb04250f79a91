import { EverthawError } from '../domain/errors.js';
import type { DiskDescription } from '../domain/vm.js';
import { copyToFile, type Copied, type CopyOrder } from '../disks/copier.js';
import { pulse } from './pulse.js';

/** Copies and tells how far it is; with a checkpoint's name, also from where a later attempt may go on. */
export async function copyTold(
  order: CopyOrder,
  disk: DiskDescription,
  signal: AbortSignal,
  { checkpoint, ...guess }: { readonly checkpoint?: string; readonly isGuess?: true },
): Promise<Copied> {
  const keeper = pulse();
  return copyToFile(
    order,
    (bytes, durableBytes) => {
      keeper.progress({ what: `disk ${disk.label}`, bytes, totalBytes: disk.capacityBytes, ...guess });
      if (checkpoint !== undefined) keeper.checkpoint({ file: checkpoint, durableBytes });
    },
    signal,
  );
}

export function wrongExport(disk: DiskDescription): EverthawError {
  return new EverthawError({
    code: 'HostFault',
    what: `read disk ${disk.label}`,
    why: `what the host offers is not a disk of ${disk.capacityBytes} bytes`,
    hint: 'the disk was changed while the backup began: run it again',
    retry: 'again',
  });
}
