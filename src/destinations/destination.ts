import type { AnyManifest } from '../domain/fileManifest.js';
import type { Copied, CopyOrder, Copier } from '../disks/copier.js';
import type { ReadableFile } from '../disks/readableFile.js';
import type { SourceProgram } from '../system/sourceProgram.js';

/** A place for one restore point, as a run needs it: a directory of this machine, or one that ssh leads to. */
export interface Destination {
  /** As a request names it. */
  readonly directory: string;
  /** Refuses it where its parent is missing, or it holds something (F6a). Nothing is made. @throws EverthawError */
  check(): Promise<void>;
  /** Bytes that can be written there by us. */
  freeBytes(): Promise<number>;
  /** Its manifest, where it is a restore point. */
  restorePoint(): Promise<AnyManifest | undefined>;
  /** Takes the owner file out of a restore point: it is nobody's holding any more. */
  disown(): Promise<void>;
  partialOf(runId: string): PartialBackup;
}

/** What is copied, without where to. */
export type CopySource = Omit<CopyOrder, 'file' | 'into'>;

/** The directory that a run builds its backup in. */
export interface PartialBackup {
  /** With its whole path. */
  readonly name: string;
  /** Whether it is on this machine: programs write there as they like, and a copy goes on behind its checkpoint. */
  readonly isHere: boolean;
  exists(): Promise<boolean>;
  /** What its owner file says; empty without one. */
  owner(): Promise<string>;
  /** Makes it. One of the same run is taken over. */
  make(owner: string): Promise<void>;
  /** Takes away what an earlier attempt wrote of a file. */
  discard(name: string): Promise<void>;
  copy(
    name: string,
    source: CopySource,
    onProgress: (bytes: number, durableBytes: number) => void,
    signal: AbortSignal,
    copier?: Copier,
  ): Promise<Copied>;
  /** Keeps what a program writes, most often little. */
  keep(name: string, source: SourceProgram, signal: AbortSignal): Promise<Copied>;
  write(name: string, text: string): Promise<Copied>;
  lookInto<T>(name: string, look: (file: ReadableFile) => Promise<T>): Promise<T>;
  /** Makes it the restore point: all of it is on the disk before its name changes. Its owner file is still in it. */
  commit(): Promise<void>;
  /** Removes it with all that is in it. */
  remove(): Promise<void>;
}
