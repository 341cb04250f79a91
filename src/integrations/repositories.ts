import { EverthawError } from '../domain/errors.js';
import type { FileManifest } from '../domain/fileManifest.js';
import type { ResticRepository } from '../domain/moduleChoice.js';

/** Of what modules keep elsewhere: how it is reached. */
export interface Repositories {
  /** @throws EverthawError WrongUsage where it is not said */
  restic(): ResticRepository;
}

/** A manifest alone is not believed about where secrets are sent. @throws EverthawError WrongUsage where another repository is named */
export function repositoryOf(
  { module: { place } }: FileManifest,
  repositories: Repositories,
  what: string,
): ResticRepository {
  const repository = repositories.restic();
  if (repository.place === place) return repository;
  throw new EverthawError({
    code: 'WrongUsage',
    what,
    why: `they are in the repository "${place ?? ''}", and what is named is "${repository.place}"`,
    hint: 'name that repository, with the file of its password',
  });
}
