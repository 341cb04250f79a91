import { resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { type ModuleChoice, type RcloneDestination, type ResticRepository } from '../domain/moduleChoice.js';
import type { Repositories } from '../integrations/repositories.js';

/** @param words behind `--`: a program, and what it is told. @throws EverthawError WrongUsage */
export function moduleChoice(
  settings: Settings,
  name: ModuleChoice['name'],
  words: readonly string[],
): ModuleChoice {
  if (name === 'command' && words.length === 0)
    throw refused(
      '--module command',
      'no program is named',
      'write it behind --: -- rsync -a {path}/ /mirror/',
    );
  if (name !== 'command' && words.length > 0)
    throw refused(
      words.join(' '),
      'only --module command takes words of its own',
      'leave them out, or say --module command',
    );
  switch (name) {
    case 'tar':
      return { name };
    case 'restic':
      return { name, repository: resticRepository(settings, '--module restic') };
    case 'rclone':
      return { name, destination: rcloneDestination(settings, '--module rclone') };
    case 'command':
      return { name, words };
  }
}

/** How the places are reached in which modules keep files. */
export function repositories(settings: Settings): Repositories {
  return {
    restic: () => resticRepository(settings, 'read what restic keeps'),
    rclone: () => rcloneDestination(settings, 'read what rclone keeps'),
  };
}

/** The repository that settings name. @throws EverthawError WrongUsage where they do not, or say a password in it */
function resticRepository(
  { restic: { place, passwordFile, environmentFile } }: Settings,
  what: string,
): ResticRepository {
  if (place === undefined)
    throw refused(what, 'no repository is named', 'give --restic-repository, or set RESTIC_REPOSITORY');
  if (passwordFile === undefined)
    throw refused(
      what,
      'the file with the repository’s password is not named',
      'give --restic-password-file, or set RESTIC_PASSWORD_FILE',
    );
  if (/:\/\/[^/@]*:[^/@]*@/.test(place))
    throw refused(
      what,
      'the repository’s name has a password in it, which would be seen in the run’s history',
      'put RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD, or what it needs, into a file for --restic-environment-file',
    );
  return {
    place: isDirectory(place) ? resolve(place) : place,
    passwordFile: resolve(passwordFile),
    ...(environmentFile === undefined ? {} : { environmentFile: resolve(environmentFile) }),
  };
}

/** The place that settings name. @throws EverthawError WrongUsage where they do not, or say how it is reached in its name */
function rcloneDestination({ rclone: { place, configFile } }: Settings, what: string): RcloneDestination {
  if (place === undefined)
    throw refused(
      what,
      'where to is not named',
      'give --rclone-destination, or set EVERTHAW_RCLONE_DESTINATION',
    );
  const [remote = '', ...path] = place.split(':');
  const isRemote = path.length > 0 && !remote.includes('/');
  if (isRemote && !/^[\w. -]+$/.test(remote))
    throw refused(
      what,
      'it says in its name how the remote is reached, which would be seen in the run’s history',
      'make it a remote by rclone config, and name that: remote:path',
    );
  return {
    place: isRemote ? place : resolve(place),
    ...(configFile === undefined ? {} : { configFile: resolve(configFile) }),
  };
}

/** Else it begins with its kind, as restic has it. */
function isDirectory(place: string): boolean {
  return !/^(?:local|sftp|rest|s3|swift|b2|azure|gs|rclone):/.test(place);
}

function refused(what: string, why: string, hint: string): EverthawError {
  return new EverthawError({ code: 'WrongUsage', what, why, hint });
}
