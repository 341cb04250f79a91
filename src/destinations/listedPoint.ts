import { isErrorWithCode } from '../domain/errors.js';
import { isFileManifest, type AnyManifest } from '../domain/fileManifest.js';
import { MANIFEST_FILE, type ManifestFile } from '../domain/manifest.js';
import { parseOwner, type OwnerRecord } from '../domain/owner.js';
import { PROTECTED_FILE, reasonIn } from './protection.js';

/** What stands in a directory. */
export type ListedPoint =
  | WholePoint
  | {
      readonly state: 'partial';
      readonly directory: string;
      readonly why: string;
      /** Who builds it, where its owner file can be read. */
      readonly owner?: Pick<OwnerRecord, 'hostUuid' | 'vmUuid' | 'takenAt' | 'workflowId'>;
    }
  /** `damaged`: it cannot be restored as it is. `removing`: it was forgotten, and not all of it is gone. */
  | { readonly state: 'damaged' | 'removing'; readonly directory: string; readonly why: string };

/** A restore point. */
export interface WholePoint {
  readonly state: 'whole';
  readonly directory: string;
  readonly vm: string;
  /** Instance uuid. */
  readonly vmUuid: string;
  readonly hostUuid: string;
  readonly runId: string;
  readonly pointInTime: string;
  readonly kind: AnyManifest['kind'];
  readonly consistency: AnyManifest['consistency'];
  /** Run id of the one that it cannot be restored without. */
  readonly base?: string;
  /** Of all its files, as they are stored. */
  readonly sizeBytes: number;
  readonly host: string;
  /** Why it is never forgotten, where somebody said so. */
  readonly protected?: string;
  /** Names of what lies there beside the backup. */
  readonly others: readonly string[];
}

/**
 * What a directory with a manifest is listed as.
 *
 * @param read gives the manifest, or throws BackupDamaged
 * @param faultOf says why a file is not there, unread
 * @param names of all that lies there
 * @param textOf gives the text of one of them; undefined, or an error, where it cannot be read
 */
export async function listedPoint(
  directory: string,
  read: () => AnyManifest | Promise<AnyManifest>,
  faultOf: (file: ManifestFile) => string | undefined | Promise<string | undefined>,
  names: readonly string[],
  textOf: (name: string) => string | undefined | Promise<string>,
): Promise<ListedPoint> {
  let manifest: AnyManifest;
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
  const { vm, runId, pointInTime, kind, consistency, host, files } = manifest;
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return {
    ...{ state: 'whole', directory, vm: vm.name, pointInTime, kind, consistency, sizeBytes },
    ...{ host: host.address, vmUuid: vm.instanceUuid, hostUuid: host.uuid, runId },
    ...(isFileManifest(manifest) && manifest.base !== undefined ? { base: manifest.base.runId } : {}),
    ...(names.includes(PROTECTED_FILE) ? { protected: await protectionBy(textOf) } : {}),
    others: othersIn(names, manifest),
  };
}

async function protectionBy(textOf: (name: string) => string | undefined | Promise<string>): Promise<string> {
  try {
    return reasonIn((await textOf(PROTECTED_FILE)) ?? '');
  } catch {
    return reasonIn('');
  }
}

/** Names of what lies beside a backup, and is none of its files. */
export function othersIn(names: readonly string[], manifest: AnyManifest): readonly string[] {
  const ours = new Set([MANIFEST_FILE, PROTECTED_FILE, ...manifest.files.map(({ path }) => path)]);
  return names.filter((name) => !ours.has(name)).toSorted();
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

/** Whether a directory has the name of a backup that is not finished (F6a), or of one that is being removed. */
export function isPartialName(directory: string): boolean {
  return /\.partial-[0-9a-f-]{36}(?:\.gone)?$/.test(directory);
}

/** What is listed of it. */
export function partialPoint(directory: string, ownerFile: string): ListedPoint {
  const owner = parseOwner(ownerFile);
  const unfinished = { state: 'partial', directory, why: 'it is not finished' } as const;
  if (owner === undefined) return unfinished;
  const { hostUuid, vmUuid, takenAt, workflowId } = owner;
  return { ...unfinished, owner: { hostUuid, vmUuid, takenAt, workflowId } };
}

const FORGOTTEN = /\.forgotten-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Name of a directory that was a restore point: from now on nobody takes it for one. */
export function forgottenName(directory: string, id: string): string {
  return `${directory}.forgotten-${id}`;
}

/** The name that it had before. */
export function nameBefore(directory: string): string {
  return directory.replace(FORGOTTEN, '');
}

/** The manifest goes last but the directory itself: what has neither it nor nothing is something else of that name. */
export function isBeingForgotten(directory: string, names: readonly string[]): boolean {
  return FORGOTTEN.test(directory) && (names.length === 0 || names.includes(MANIFEST_FILE));
}

export function beingForgotten(directory: string): ListedPoint {
  const why = 'it was forgotten, and is being removed; what was cut off, the next everthaw forget ends';
  return { state: 'removing', directory, why };
}
