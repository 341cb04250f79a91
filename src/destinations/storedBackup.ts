import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AnyManifest } from '../domain/fileManifest.js';
import type { ManifestDisk, ManifestFile } from '../domain/manifest.js';
import { imageFault } from '../disks/imageFault.js';
import type { SourceProgram } from '../system/sourceProgram.js';
import { fileFault } from './fileFault.js';
import { readAnyManifest, readPlainFile } from './restorePoint.js';

/** A restore point, or what is taken for one, as it is read: a directory of this machine, or one that ssh leads to. */
export interface StoredBackup {
  /** As it was named. */
  readonly directory: string;
  /** Of all that lies in it. */
  names(): Promise<readonly string[]>;
  /** @throws EverthawError BackupDamaged */
  manifest(): Promise<AnyManifest>;
  /** Another one, that lies in the same directory as this one. */
  beside(name: string): StoredBackup;
  /** The text of a file that is no link. @throws an error with a code, as readFile does, or an EverthawError */
  readText(name: string, largestBytes: number): Promise<string>;
  /** Why a file is not what was backed up; undefined where every byte of it is. `onProgress` is told of bytes of this file. */
  fileFault(
    file: ManifestFile,
    onProgress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  /** Why a disk cannot be opened as what the manifest tells of; missing where nobody can open it. */
  readonly imageFault?: (
    disk: ManifestDisk,
    files: readonly string[],
    signal: AbortSignal,
  ) => Promise<string | undefined>;
}

/** One that is on another machine: its files are fetched before a VM is made of them. */
export interface FarBackup extends StoredBackup {
  /** Writes a file of it to its standard output. */
  program(name: string): SourceProgram;
}

/** A restore point in a directory of this machine. */
export function localBackup(directory: string): StoredBackup {
  return {
    directory,
    names: () => readdir(directory),
    manifest: () => readAnyManifest(directory),
    beside: (name) => localBackup(join(dirname(directory), name)),
    readText: (name, largestBytes) => readPlainFile(join(directory, name), largestBytes),
    fileFault: (file, onProgress, signal) => fileFault(directory, file, onProgress, signal),
    imageFault: (disk, files, signal) => imageFault(join(directory, disk.file), disk, files, signal),
  };
}
