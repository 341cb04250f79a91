import type { Manifest, ManifestFile } from './manifest.js';

/** Differential: what changed since the last full; incremental: since the last of any kind (F6). */
export const FILE_KINDS = ['full', 'differential', 'incremental'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

/** A volume of which files were backed up. */
export interface FileVolume {
  /** Where it is on the VM's disks: `scsi0:0/2`. */
  readonly id: string;
  /** What the guest calls it: `D:` or `/srv`. */
  readonly name?: string;
  /** As blkid calls it: `ext4`, `ntfs`. */
  readonly fileSystem?: string;
  /** Of its file system: another one of that name is another volume. */
  readonly uuid?: string;
  /** What is not kept of it. */
  readonly limits?: string;
  /** Paths below its root, without a slash before them, that were backed up; none: all of it. */
  readonly paths: readonly string[];
  /** tar: its archive, a file beside the manifest. */
  readonly archive?: string;
  /** tar: what stood in each directory, a `--listed-incremental` file beside the manifest. */
  readonly listing?: string;
  /** restic: the id of its snapshot in the repository. */
  readonly snapshot?: string;
  /** rclone: where its files were copied to. */
  readonly place?: string;
  /** rclone: its directories and links, an archive of tar's beside the manifest. */
  readonly frame?: string;
  /** rclone: what was at that place when it was done, a list beside the manifest. */
  readonly copied?: string;
}

/** The restore point that another one builds on. */
export interface BaseReference {
  /** Name of its directory, which lies beside this one. */
  readonly directory: string;
  readonly runId: string;
}

/** What carried the files, and where it keeps what is not in this directory. */
export interface ModuleReference {
  readonly name: string;
  readonly place?: string;
}

/** `manifest.json` of a file-level restore point, written last as that of an image-level one. */
export interface FileManifest extends Pick<
  Manifest,
  'format' | 'everthawVersion' | 'runId' | 'workflowId' | 'host' | 'pointInTime' | 'consistency' | 'transport'
> {
  readonly kind: `file-${FileKind}`;
  readonly vm: Pick<Manifest['vm'], 'name' | 'instanceUuid' | 'biosUuid' | 'powerState'>;
  readonly module: ModuleReference;
  /** Without it, it can be restored by itself. */
  readonly base?: BaseReference;
  /** Why it is a full one though another was asked for. */
  readonly fullBecause?: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly volumes: readonly FileVolume[];
  /** What was not kept: a line for each. */
  readonly notKept: readonly string[];
  /** Archives and listings that lie in this directory. */
  readonly files: readonly ManifestFile[];
}

export type AnyManifest = Manifest | FileManifest;

export function isFileManifest(manifest: AnyManifest): manifest is FileManifest {
  return manifest.kind !== 'image-full';
}
