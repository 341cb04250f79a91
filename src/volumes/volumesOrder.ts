import type { ErrorParts } from '../domain/errors.js';
import type { CopiedFiles } from './copyFiles.js';
import type { FileEntry } from './listFiles.js';
import type { DiskRefusal, ImageDisk, NamedVolume } from './volume.js';

export type VolumesTask =
  | { readonly kind: 'volumes' }
  | { readonly kind: 'list'; readonly path: string }
  /** Into `to`, an empty directory. */
  | { readonly kind: 'copy'; readonly paths: readonly string[]; readonly to: string };

/** What the process that opens volumes is told. */
export interface VolumesOrder {
  /** A directory that it covers with its mounts, for itself alone. */
  readonly scratch: string;
  readonly images: readonly ImageDisk[];
  /** Whether it may give files away, as they were owned in the guest. */
  readonly keepsOwners: boolean;
  readonly task: VolumesTask;
}

/** What there is to read, and what there is not. */
export interface FoundVolumes {
  readonly volumes: readonly NamedVolume[];
  readonly disks: readonly DiskRefusal[];
  readonly notes: readonly string[];
}

/** What it says. */
export type VolumesReport =
  | ({ readonly kind: 'volumes' } & FoundVolumes)
  | { readonly kind: 'entries'; readonly entries: readonly FileEntry[] }
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'copied'; readonly copied: CopiedFiles }
  | { readonly kind: 'failed'; readonly error: ErrorParts }
  | { readonly kind: 'done' };
