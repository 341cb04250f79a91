import { EverthawError } from '../domain/errors.js';
import type { FileManifest } from '../domain/fileManifest.js';
import type { RcloneDestination, ResticRepository } from '../domain/moduleChoice.js';

/** Of what modules keep elsewhere: how it is reached. */
export interface Repositories {
  /** @throws EverthawError WrongUsage where it is not said */
  restic(): ResticRepository;
  /** @throws EverthawError WrongUsage where it is not said */
  rclone(): RcloneDestination;
}

/** A manifest alone is not believed about where secrets are sent. @throws EverthawError WrongUsage where another repository is named */
export function named<T extends { readonly place: string }>(
  repository: T,
  { module: { place } }: FileManifest,
  what: string,
): T {
  if (repository.place === place) return repository;
  throw new EverthawError({
    code: 'WrongUsage',
    what,
    why: `its files are in "${place ?? ''}", and what is named is "${repository.place}"`,
    hint: 'name that place, with the file that says how it is reached',
  });
}
