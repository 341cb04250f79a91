import { posix } from 'node:path';
import { EverthawError } from '../domain/errors.js';
import type { NamedVolume } from './volume.js';

/** What of a volume says where its paths are. */
export type PlacedVolume = Pick<NamedVolume, 'id' | 'name' | 'refusal'>;

/** A path as the guest has it, or below a volume's id. */
export interface GuestPath<V extends PlacedVolume = NamedVolume> {
  readonly volume: V;
  /** Names below the volume's root. */
  readonly steps: readonly string[];
}

const WINDOWS = /^([A-Za-z]:)(?:[\\/](.*))?$/s;

/** `C:\Data`, `/srv/data`, `scsi0:0/2/data`. @throws EverthawError FileNotFound, DiskNotSupported */
export function findPath<V extends PlacedVolume>(text: string, volumes: readonly V[]): GuestPath<V> {
  const [, letter, below = ''] = WINDOWS.exec(text) ?? [];
  if (letter !== undefined) {
    const volume = volumes.find(({ name }) => name === letter.toUpperCase());
    return placed(text, volume, stepsOf(text, below, /[\\/]/), volumes);
  }
  if (text.startsWith('/')) {
    const steps = stepsOf(text, posix.normalize(text), /\//);
    const [volume] = volumes
      .filter(({ name }) => name?.startsWith('/') === true && isBelow(steps, mountSteps(name)))
      .sort((a, b) => mountSteps(b.name).length - mountSteps(a.name).length);
    return placed(text, volume, steps.slice(mountSteps(volume?.name).length), volumes);
  }
  const volume = volumes
    .filter(({ id }) => text === id || text.startsWith(`${id}/`))
    .sort((a, b) => b.id.length - a.id.length)[0];
  return placed(text, volume, stepsOf(text, text.slice(volume?.id.length ?? 0), /\//), volumes);
}

/** Volumes that the guest mounts within a directory of another. */
export function volumesWithin<V extends PlacedVolume>(
  { volume, steps }: GuestPath<V>,
  volumes: readonly V[],
): readonly V[] {
  if (volume.name?.startsWith('/') !== true) return [];
  const top = [...mountSteps(volume.name), ...steps];
  return volumes.filter(
    (each) => each !== volume && each.name?.startsWith('/') === true && isBelow(mountSteps(each.name), top),
  );
}

/** Where a volume's files go below a directory that they are copied to. */
export function placeOf({ name, id }: PlacedVolume): readonly string[] {
  if (name === undefined) return ['disks', ...id.split('/')];
  return name.startsWith('/') ? ['volumes', ...mountSteps(name)] : ['letters', name.slice(0, 1)];
}

function mountSteps(name = ''): readonly string[] {
  return name.split('/').filter((step) => step !== '');
}

function isBelow(steps: readonly string[], top: readonly string[]): boolean {
  return top.every((step, n) => steps[n] === step);
}

function stepsOf(text: string, path: string, separator: RegExp): readonly string[] {
  const steps = path.split(separator).filter((step) => step !== '' && step !== '.');
  if (!steps.some((step) => step === '..' || step.includes('\0'))) return steps;
  throw missing(text, 'a path goes downwards only');
}

function placed<V extends PlacedVolume>(
  text: string,
  volume: V | undefined,
  steps: readonly string[],
  volumes: readonly V[],
): GuestPath<V> {
  if (volume === undefined) {
    const there = volumes.map(({ name, id }) => name ?? id).join(', ');
    throw missing(
      text,
      `no volume of the backup is called so; there ${there === '' ? 'is none' : `are ${there}`}`,
    );
  }
  if (volume.refusal === undefined) return { volume, steps };
  throw new EverthawError({
    code: 'DiskNotSupported',
    what: `read "${text}" on volume ${volume.id}`,
    why: volume.refusal,
    hint: 'restore the VM, and read it there',
  });
}

function missing(text: string, why: string): EverthawError {
  return new EverthawError({
    code: 'FileNotFound',
    what: `look for "${text}" in the backup`,
    why,
    hint: 'everthaw files ls <backup> lists the volumes; write C:\\Data, /srv/data or scsi0:0/2/data',
  });
}
