import { isErrorWithCode } from '../domain/errors.js';
import type { Manifest, ManifestFile } from '../domain/manifest.js';

/** What stands in a directory: a restore point, one that is not finished, or one that cannot be restored as it is. */
export type ListedPoint =
  | {
      readonly state: 'whole';
      readonly directory: string;
      readonly vm: string;
      readonly pointInTime: string;
      readonly kind: Manifest['kind'];
      readonly consistency: Manifest['consistency'];
      /** Of all its files, as they are stored. */
      readonly sizeBytes: number;
      readonly host: string;
    }
  | { readonly state: 'partial' | 'damaged'; readonly directory: string; readonly why: string };

/**
 * What a directory with a manifest is listed as.
 *
 * @param read gives the manifest, or throws BackupDamaged
 * @param faultOf says why a file is not there, unread
 */
export async function listedPoint(
  directory: string,
  read: () => Manifest | Promise<Manifest>,
  faultOf: (file: ManifestFile) => string | undefined | Promise<string | undefined>,
): Promise<ListedPoint> {
  let manifest: Manifest;
  try {
    manifest = await read();
  } catch (error) {
    if (!isErrorWithCode(error, 'BackupDamaged')) throw error;
    return { state: 'damaged', directory, why: error.why };
  }
  for (const file of manifest.files) {
    const why = await faultOf(file);
    if (why !== undefined) return { state: 'damaged', directory, why };
  }
  const { vm, pointInTime, kind, consistency, host, files } = manifest;
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return {
    ...{ state: 'whole', directory, vm: vm.name, pointInTime, kind, consistency, sizeBytes },
    host: host.address,
  };
}

/** By VM, then time, then directory. */
export function byVmAndTime(one: ListedPoint, other: ListedPoint): number {
  const [a, b] = [sortKey(one), sortKey(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What cannot be told a VM of stands behind all others. */
function sortKey(point: ListedPoint): string {
  return point.state === 'whole'
    ? `0${point.vm}\0${point.pointInTime}\0${point.directory}`
    : `1${point.directory}`;
}

/** Whether a directory has the name of a backup that is not finished (F6a). */
export function isPartialName(directory: string): boolean {
  return /\.partial-[0-9a-f-]{36}$/.test(directory);
}
