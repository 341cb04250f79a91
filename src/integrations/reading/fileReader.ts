import type { FileVolume } from '../../domain/fileManifest.js';
import type { CopiedFiles } from '../../volumes/copyFiles.js';
import type { GuestPath } from '../../volumes/guestPath.js';
import type { FileEntry } from '../../volumes/listFiles.js';

export type FilePath = GuestPath<FileVolume>;

/** Files of one volume that are wanted; a path without steps is all of it. */
export interface WantedFiles {
  readonly volume: FileVolume;
  readonly paths: readonly FilePath['steps'][];
}

/** Reads the files of a file-level restore point. */
export interface FileReader {
  /** Tells what is in a directory, by name, or of the one file that a path names. @throws EverthawError FileNotFound */
  list(path: FilePath, tell: (entries: readonly FileEntry[]) => void): Promise<void>;
  /** Refuses what is not there, before anything is copied. @throws EverthawError FileNotFound */
  check(wanted: WantedFiles): Promise<void>;
  /**
   * Copies files of a volume into a directory that nobody else gets into, and that has only directories of ours in it. Links are copied as links
   * and not gone through; devices and pipes are left out.
   */
  copy(
    wanted: WantedFiles,
    place: string,
    keepsOwners: boolean,
  ): Promise<Pick<CopiedFiles, 'failures' | 'notKept'>>;
}
