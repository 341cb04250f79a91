import { parseCatalog } from '../domain/catalog.js';
import { catalogFaults } from '../domain/catalogFaults.js';
import { isErrorWithCode, messageOf } from '../domain/errors.js';
import { isFileManifest, type AnyManifest, type FileManifest } from '../domain/fileManifest.js';
import { CATALOG_FILE, MANIFEST_FILE, type Manifest } from '../domain/manifest.js';
import { chainOf } from './chain.js';
import { isPartialName, othersIn } from './listedPoint.js';
import type { StoredBackup } from './storedBackup.js';

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
  backup: StoredBackup,
  onProgress: OnVerified,
  signal: AbortSignal,
): Promise<VerifiedPoint> {
  const { directory } = backup;
  const nothing = { directory, bytes: 0, faults: [], unseen: [], notes: [] };
  const names = await backup.names().catch((): readonly string[] => []);
  if (isPartialName(directory) && !names.includes(MANIFEST_FILE))
    return {
      ...nothing,
      state: 'unknown',
      unseen: ['it is not finished: its run has yet to write the manifest'],
    };
  let manifest: AnyManifest;
  try {
    manifest = await backup.manifest();
  } catch (error) {
    if (!isErrorWithCode(error, 'BackupDamaged')) throw error;
    return { ...nothing, state: 'bad', faults: [error.why] };
  }
  const faults = [...(await hashAll(backup, manifest, onProgress, signal))];
  if (faults.length > 0 && (await isGone(backup)))
    return { ...nothing, state: 'unknown', unseen: ['it is there no more: somebody moved or forgot it'] };
  const notes = othersIn(names, manifest).map((name) => `${name} is no file of the backup`);
  // What is not the bytes that were backed up is not worth opening, and may be made to do harm.
  const within =
    faults.length > 0
      ? NOTHING
      : isFileManifest(manifest)
        ? await verifyChain(backup, manifest, onProgress, signal)
        : await verifyImages(backup, manifest, signal);
  faults.push(...within.faults);
  notes.push(...within.notes);
  const { unseen } = within;
  return {
    directory,
    state: faults.length > 0 ? 'bad' : unseen.length > 0 ? 'unknown' : 'good',
    vm: manifest.vm.name,
    bytes: manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    faults,
    unseen,
    notes,
  };
}

type Within = Pick<VerifiedPoint, 'faults' | 'unseen' | 'notes'>;

const NOTHING: Within = { faults: [], unseen: [], notes: [] };

async function verifyImages(backup: StoredBackup, manifest: Manifest, signal: AbortSignal): Promise<Within> {
  const faults = [...(await readCatalog(backup, manifest))];
  const unseen: string[] = [];
  for (const disk of manifest.disks) {
    try {
      const files = manifest.files.map(({ path }) => path);
      const fault = await backup.imageFault?.(disk, files, signal);
      if (fault !== undefined) faults.push(`disk ${disk.label}: ${fault}`);
    } catch (error) {
      if (!isErrorWithCode(error, 'ProgramMissing')) throw error;
      unseen.push(error.message);
    }
  }
  return { faults, unseen, notes: backup.imageFault === undefined ? [NOT_OPENED] : [] };
}

/** It is as good as all that it is built on. */
async function verifyChain(
  backup: StoredBackup,
  manifest: FileManifest,
  onProgress: OnVerified,
  signal: AbortSignal,
): Promise<Within> {
  const { name, place } = manifest.module;
  const elsewhere = `its files are where ${name} keeps them${place === undefined ? '' : ` (${place})`}: ask ${name} about them`;
  const unseen = manifest.volumes.some(({ archive }) => archive === undefined) ? [elsewhere] : [];
  const chain = await chainOf(backup, manifest);
  if ('fault' in chain) return { faults: [chain.fault], unseen, notes: [] };
  const faults: string[] = [];
  for (const link of chain.links.slice(0, -1))
    for (const fault of await hashAll(link.backup, link.manifest, onProgress, signal))
      faults.push(`its base "${link.backup.directory}": ${fault}`);
  return { faults, unseen, notes: [] };
}

/** Every byte of them is what was written; what they hold is looked at again before they are restored. */
const NOT_OPENED = 'its disks were hashed where they are, and not opened';

/** Of what was taken away meanwhile nothing is known. */
async function isGone(backup: StoredBackup): Promise<boolean> {
  return !(await backup.names().catch((): readonly string[] => [])).includes(MANIFEST_FILE);
}

async function hashAll(
  backup: StoredBackup,
  { files }: AnyManifest,
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
    const fault = await backup.fileFault(file, tell, signal);
    if (fault !== undefined) faults.push(fault);
    before += file.sizeBytes;
  }
  return faults;
}

async function readCatalog(backup: StoredBackup, manifest: Manifest): Promise<readonly string[]> {
  if (!manifest.files.some(({ path }) => path === CATALOG_FILE)) return ['the manifest lists no catalog'];
  try {
    const text = await backup.readText(CATALOG_FILE, LARGEST_CATALOG_BYTES);
    return catalogFaults(parseCatalog(text, `${backup.directory}/${CATALOG_FILE}`), manifest);
  } catch (error) {
    return [messageOf(error)];
  }
}
