import type { DiskDescription } from '../domain/vm.js';
import type { CopySource, PartialBackup } from '../destinations/destination.js';
import type { Copied } from '../disks/copier.js';
import { pulse } from './pulse.js';

/** Copies and tells how far it is; of what can be gone on with, also from where a later attempt may. */
export async function copyTold(
  partial: PartialBackup,
  name: string,
  source: CopySource,
  disk: DiskDescription,
  signal: AbortSignal,
  { isResumable, ...guess }: { readonly isResumable?: true; readonly isGuess?: true } = {},
): Promise<Copied> {
  const keeper = pulse();
  return partial.copy(
    name,
    source,
    (bytes, durableBytes) => {
      keeper.progress({ what: `disk ${disk.label}`, bytes, totalBytes: disk.capacityBytes, ...guess });
      if (isResumable === true && partial.isHere) keeper.checkpoint({ file: name, durableBytes });
    },
    signal,
  );
}
