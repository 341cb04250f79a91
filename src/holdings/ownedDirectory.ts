import type { HoldingRecords } from './records.js';
import { runOf, vmOf, type FoundHolding } from './kind.js';

/** What is noted on this proxy of directories of a kind. */
export async function findDirectories(
  kind: 'partialDirectory' | 'stagedExport' | 'volumeMount',
  noun: string,
  { proxy, records }: { readonly proxy: string; readonly records: HoldingRecords },
): Promise<readonly FoundHolding[]> {
  return (await records.list(kind)).flatMap(({ owner, vmName, id: directory }) => {
    if (directory === undefined) return [];
    return [
      {
        kind,
        key: directory,
        what: `${noun} in "${directory}"`,
        owner,
        holding: { kind, proxy, run: runOf(owner), vm: vmOf(owner, vmName), directory },
      },
    ];
  });
}
