import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCatalog } from '../domain/catalog.js';
import { catalogFaults } from '../domain/catalogFaults.js';
import { isErrorWithCode, messageOf } from '../domain/errors.js';
import { CATALOG_FILE, MANIFEST_FILE, type Manifest } from '../domain/manifest.js';
import { imageFault } from '../disks/imageFault.js';
import { fileFault } from './fileFault.js';
import { readManifest, readPlainFile } from './restorePoint.js';

/** Far more than the lines of a thousand disks. */
export const LARGEST_CATALOG_BYTES = 4 * 1024 * 1024;

/** `good`: it restores to the bytes that were backed up; `unknown`: nothing bad was found, and not all could be looked at. */
export interface VerifiedPoint {
  readonly directory: string;
  readonly state: 'good' | 'bad' | 'unknown';
  readonly vm?: string;
  /** Of all files that were hashed. */
  readonly bytes: number;
  readonly faults: readonly string[];
  /** What could not be looked at. */
  readonly unseen: readonly string[];
  /** What is there beside the backup. */
  readonly notes: readonly string[];
}

export type OnVerified = (file: string, bytes: number, totalBytes: number) => void;

/** Looks at everything that a restore point is made of, to its end: one fault does not hide another. */
export async function verifyRestorePoint(
  directory: string,
  onProgress: OnVerified,
  signal: AbortSignal,
): Promise<VerifiedPoint> {
  const nothing = { directory, bytes: 0, faults: [], unseen: [], notes: [] };
  if (await isPartial(directory))
    return {
      ...nothing,
      state: 'unknown',
      unseen: ['it is not finished: its run has yet to write the manifest'],
    };
  let manifest: Manifest;
  try {
    manifest = await readManifest(directory);
  } catch (error) {
    if (!isErrorWithCode(error, 'BackupDamaged')) throw error;
    return { ...nothing, state: 'bad', faults: [error.why] };
  }
  const faults = [...(await hashAll(directory, manifest, onProgress, signal))];
  const unseen: string[] = [];
  // What is not the bytes that were backed up is not worth opening, and may be made to do harm.
  if (faults.length === 0) {
    faults.push(...(await readCatalog(directory, manifest)));
    for (const disk of manifest.disks) {
      try {
        const names = manifest.files.map(({ path }) => path);
        const fault = await imageFault(join(directory, disk.file), disk, names, signal);
        if (fault !== undefined) faults.push(`disk ${disk.label}: ${fault}`);
      } catch (error) {
        if (!isErrorWithCode(error, 'ProgramMissing')) throw error;
        unseen.push(error.message);
      }
    }
  }
  return {
    directory,
    state: faults.length > 0 ? 'bad' : unseen.length > 0 ? 'unknown' : 'good',
    vm: manifest.vm.name,
    bytes: manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    faults,
    unseen,
    notes: await othersIn(directory, manifest),
  };
}

async function hashAll(
  directory: string,
  { files }: Manifest,
  onProgress: OnVerified,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const faults: string[] = [];
  let before = 0;
  for (const file of files) {
    const tell = (bytes: number): void => {
      onProgress(file.path, before + bytes, totalBytes);
    };
    const fault = await fileFault(directory, file, tell, signal);
    if (fault !== undefined) faults.push(fault);
    before += file.sizeBytes;
  }
  return faults;
}

async function readCatalog(directory: string, manifest: Manifest): Promise<readonly string[]> {
  if (!manifest.files.some(({ path }) => path === CATALOG_FILE)) return ['the manifest lists no catalog'];
  const file = join(directory, CATALOG_FILE);
  try {
    const text = await readPlainFile(file, LARGEST_CATALOG_BYTES);
    return catalogFaults(parseCatalog(text, file), manifest);
  } catch (error) {
    return [messageOf(error)];
  }
}

async function othersIn(directory: string, manifest: Manifest): Promise<readonly string[]> {
  const ours = new Set([MANIFEST_FILE, ...manifest.files.map(({ path }) => path)]);
  const others = (await readdir(directory)).filter((name) => !ours.has(name)).sort();
  return others.map((name) => `${name} is no file of the backup`);
}

async function isPartial(directory: string): Promise<boolean> {
  if (!isPartialName(directory)) return false;
  return (await lstat(join(directory, MANIFEST_FILE)).catch(() => undefined)) === undefined;
}

/** Whether a directory has the name of a backup that is not finished (F6a). */
export function isPartialName(directory: string): boolean {
  return /\.partial-[0-9a-f-]{36}$/.test(directory);
}
