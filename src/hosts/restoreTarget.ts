import { EverthawError } from '../domain/errors.js';
import type { RestorePlace, RestoreWish } from '../domain/restores.js';
import type { VmSummary } from '../domain/vm.js';
import type { Host } from './host.js';

/** What stands where a VM is to be restored. */
export interface RestoreTarget {
  readonly vms: readonly VmSummary[];
  /** Only where no VM of that name is registered: else they are its own. */
  readonly files: readonly string[];
}

/** A copy under another name has disks beside those of the original, which are no trouble. */
export async function lookAtTarget(
  host: Host,
  { name, isCopy }: { readonly name: string; readonly isCopy: boolean },
  place: RestorePlace,
  wish: RestoreWish,
): Promise<RestoreTarget> {
  const vms = await host.findVms({ kind: 'name', value: name });
  const files = vms.length > 0 || isCopy ? [] : await host.existingFiles(place, wish);
  return { vms, files };
}

/** Why a restore would meet something, in words; undefined where nothing is there. */
export function obstacleOf({ vms, files }: RestoreTarget): string | undefined {
  const [vm] = vms;
  if (vm !== undefined) return `a VM of that name exists (${vm.moref})`;
  return files.length === 0 ? undefined : `files of its disks exist (${files.join(', ')})`;
}

/** Nothing is done where something is there. */
export function targetExists(name: string, why: string): EverthawError {
  return new EverthawError({
    code: 'RestoreTargetExists',
    what: `restore VM "${name}"`,
    why,
    hint: 'restore under another name with --name, or replace it with --overwrite',
  });
}
