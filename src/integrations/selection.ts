import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import { fileSystemOf } from '../volumes/fileSystems.js';
import { findGuestFile } from '../volumes/guestFile.js';
import { findPath, volumesWithin, type GuestPath } from '../volumes/guestPath.js';
import type { ModuleVolume } from './module.js';
import { isMatch, isPath, type Excludes } from './patterns.js';

/** What of a volume is backed up. */
export interface Selection {
  readonly volume: ModuleVolume;
  /** Steps below its root; none: all of it. */
  readonly paths: readonly (readonly string[])[];
  readonly excludes: Excludes;
  /** Names that differ by case only are one name to its guest. */
  readonly ignoresCase: boolean;
}

/**
 * What patterns mean on these volumes; without anything to include all of them. A volume that the guest mounts within what is
 * included, or excluded, is so too.
 *
 * @throws EverthawError WrongUsage; FileNotFound where what is to be included is not on a volume
 */
export function selectionsOf(
  volumes: readonly ModuleVolume[],
  include: readonly string[],
  exclude: readonly string[],
): readonly Selection[] {
  const wanted = new Map<ModuleVolume, (readonly string[])[]>();
  const want = (volume: ModuleVolume, steps: readonly string[]): void => {
    wanted.set(volume, [...(wanted.get(volume) ?? []), steps]);
  };
  if (include.length === 0) for (const volume of volumes) want(volume, []);
  for (const pattern of include) {
    const found = included(pattern, volumes);
    want(found.volume, found.steps);
    for (const within of volumesWithin(found, volumes)) want(within, []);
  }
  const excluded = exclude.filter(isPath).flatMap((pattern) => excludedBy(pattern, volumes));
  const names = exclude.filter((pattern) => !isPath(pattern));
  const selections = volumes.flatMap((volume): readonly Selection[] => {
    const steps = wanted.get(volume);
    const paths = excluded.filter((each) => each.volume === volume).map((each) => each.steps);
    if (steps === undefined) return [];
    const ignoresCase = fileSystemOf(volume.fileSystem ?? '')?.ignoresCase ?? false;
    const left = outermost(steps).filter((each) => !isExcluded(each, paths, names, ignoresCase));
    if (left.length === 0) return [];
    const isWhole = left.some((each) => each.length === 0);
    return [{ volume, paths: isWhole ? [] : left, excludes: { paths, names }, ignoresCase }];
  });
  if (selections.length > 0) return selections;
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'choose the files to back up',
    why: volumes.length === 0 ? 'there is no volume' : 'all that is included is excluded',
    hint: 'exclude less; everthaw files ls <backup> lists the volumes of an image-level backup',
  });
}

/**
 * The same with paths as the guest spells them. No link of the guest's is followed.
 *
 * @throws EverthawError FileNotFound
 */
export async function spelled(selection: Selection): Promise<Selection> {
  const { volume, ignoresCase } = selection;
  const root = { directory: volume.directory, ignoresCase };
  const paths: (readonly string[])[] = [];
  for (const steps of selection.paths) {
    try {
      paths.push((await findGuestFile(root, steps)).steps);
    } catch (error) {
      if (!isErrorWithCode(error, 'FileNotFound')) throw error;
      throw missing(guestPath(volume, steps), error.why);
    }
  }
  return { ...selection, paths };
}

function included(pattern: string, volumes: readonly ModuleVolume[]): GuestPath<ModuleVolume> {
  try {
    return findPath(pattern, volumes);
  } catch (error) {
    throw isErrorWithCode(error, 'FileNotFound') ? missing(pattern, error.why) : error;
  }
}

/** As the guest would write it. */
function guestPath({ id, name = id }: ModuleVolume, steps: readonly string[]): string {
  if (name.endsWith(':')) return [name, ...steps].join('\\');
  return `${name.replace(/\/$/, '')}/${steps.join('/')}`;
}

function missing(pattern: string, why: string): EverthawError {
  return new EverthawError({
    code: 'FileNotFound',
    what: `include "${pattern}"`,
    why,
    hint: 'a backup without what it was to hold would not be called good: include what is there',
  });
}

/** What is on no volume needs not be left out: one job is for many VMs. */
function excludedBy(pattern: string, volumes: readonly ModuleVolume[]): readonly GuestPath<ModuleVolume>[] {
  try {
    const found = findPath(pattern, volumes);
    return [found, ...volumesWithin(found, volumes).map((volume) => ({ volume, steps: [] }))];
  } catch (error) {
    if (isErrorWithCode(error, 'FileNotFound')) return [];
    throw error;
  }
}

/** Without what lies within another, and each once. */
function outermost(paths: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const isWithin = (one: readonly string[], other: readonly string[]): boolean =>
    other.length < one.length && other.every((step, n) => step === one[n]);
  return paths.filter(
    (path, n) =>
      !paths.some((other) => isWithin(path, other)) &&
      paths.findIndex((other) => other.join('/') === path.join('/')) === n,
  );
}

function isExcluded(
  steps: readonly string[],
  paths: Excludes['paths'],
  names: readonly string[],
  ignoresCase: boolean,
): boolean {
  const matches = (pattern: string, name = ''): boolean => isMatch(pattern, name, ignoresCase);
  return (
    paths.some((path) => path.length <= steps.length && path.every((each, n) => matches(each, steps[n]))) ||
    steps.some((step) => names.some((name) => matches(name, step)))
  );
}
