import type { FileKind, FileVolume } from '../domain/fileManifest.js';
import type { ManifestFile } from '../domain/manifest.js';
import type { Selection } from './selection.js';

/** What of a guest is backed up, in its own words (patterns.ts). */
export interface Patterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** What carries mounted volumes, or an export, to where they are kept. docs/modules.md shows another one. */
export interface IntegrationModule {
  /** As a job names it; it stands in the manifests of what it made. */
  readonly name: string;
  readonly kinds: readonly FileKind[];
  /** Where it keeps what does not lie in the restore point's directory, without any secret. */
  readonly place?: string;
  /** Whether a restore point of its that has a base needs it to be restored. */
  readonly chains: boolean;
  /** Sees what can be seen before a snapshot is taken. @throws EverthawError where it could not work */
  check?(chosen: Patterns, signal: AbortSignal): Promise<void>;
  /**
   * Moves all that is selected, or fails: of what it leaves out it says why in `notKept`, and what could not be read is an error. On
   * `signal` it ends all that it started, and then fails.
   *
   * @throws EverthawError; {@link BaseRefused} where it takes a full one only
   */
  move(order: ModuleOrder, signal: AbortSignal, tell: (progress: ModuleProgress) => void): Promise<Moved>;
}

/** A volume that is mounted, or a tree that is to be taken as one. */
export type ModuleVolume = Pick<FileVolume, 'id' | 'name' | 'fileSystem' | 'uuid' | 'limits'> & {
  readonly directory: string;
};

export interface ModuleOrder {
  readonly vmName: string;
  /** Whose it is: attempts of one run do the same thing. */
  readonly runId: string;
  readonly kind: FileKind;
  /** The directory that has all volumes below it, or the export. */
  readonly path: string;
  readonly selections: readonly Selection[];
  /** The restore point that a differential or incremental one builds on. */
  readonly base?: BasePoint;
  /** When the point in time was taken, ms since 1970, by the host's clock. */
  readonly pointInTimeMs: number;
  /** Name of the restore point among those of its VM. */
  readonly pointName: string;
  /** Where files of the restore point go: a module may leave it as it is. */
  readonly directory: string;
  /** An empty directory of its own, which goes with its end. */
  readonly scratch: string;
}

export interface BasePoint {
  readonly directory: string;
  readonly runId: string;
  readonly volumes: readonly FileVolume[];
  readonly files: readonly ManifestFile[];
}

export interface ModuleProgress {
  /** What it is at: `volume /srv`. */
  readonly what: string;
  readonly bytes: number;
}

/** What a module did. */
export interface Moved {
  /** Of each selection, in their order, what it adds to the volume: an archive's name, a snapshot's id. */
  readonly kept: readonly Pick<
    FileVolume,
    'archive' | 'listing' | 'snapshot' | 'place' | 'frame' | 'copied'
  >[];
  /** Files that it wrote into the directory, hashed. */
  readonly files: readonly ManifestFile[];
  readonly notKept: readonly string[];
  /** The last lines that its program said, where they are worth reading. */
  readonly lastLines: readonly string[];
}

/** Thrown by a module that cannot build on the base that it was given: a full one is made in its place, for this reason. */
export class BaseRefused extends Error {
  override readonly name = 'BaseRefused';
}

/** As a person names a volume. */
export function calledVolume({ id, name }: Pick<FileVolume, 'id' | 'name'>): string {
  return `volume ${name ?? id}`;
}
