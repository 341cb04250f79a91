import { createHash } from 'node:crypto';
import { copyFile, lstat, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrorWithCode, messageOf } from '../domain/errors.js';
import type { FileVolume } from '../domain/fileManifest.js';
import { fileNameOf } from '../domain/fileName.js';
import type { ManifestFile } from '../domain/manifest.js';
import { copyToFile } from '../disks/copier.js';
import { hashFile } from '../disks/hashFile.js';
import { hasSteadyNumbers } from '../volumes/fileSystems.js';
import { formatListing, NO_DEVICE, parseListing, type Listing } from './listingFile.js';
import {
  BaseRefused,
  calledVolume,
  type BasePoint,
  type IntegrationModule,
  type ModuleOrder,
  type Moved,
} from './module.js';
import { endOfModule, LAST_LINES, moduleFailed } from './moduleProgram.js';
import { earlier, isOlder, newestChange, type Stamp } from './newestChange.js';
import { tarExcludes } from './patterns.js';
import type { Selection } from './selection.js';

/**
 * GNU tar's own incremental archives (`--listed-incremental`), one for each volume. What changed is told by time stamps and names, and the archive
 * of each point lists what stands in every directory, so that what was deleted is known.
 */
export const tar: IntegrationModule = {
  name: 'tar',
  kinds: ['full', 'differential', 'incremental'],
  chains: true,
  move: async (order, signal, tell) => {
    const kept: Moved['kept'][number][] = [];
    const files: ManifestFile[] = [];
    const complaints: string[] = [];
    let before = 0;
    for (const [index, selection] of order.selections.entries()) {
      const archived = await archive(order, selection, index, signal, (bytes) => {
        tell({ what: calledVolume(selection.volume), bytes: before + bytes });
      });
      kept.push({ archive: archived.archive.path, listing: archived.listing.path });
      files.push(archived.archive, archived.listing);
      complaints.push(...archived.complaints);
      before += archived.archive.sizeBytes;
    }
    return { kept, files, notKept: complaints.map(notKept), lastLines: complaints.slice(-LAST_LINES) };
  },
};

interface Archived {
  readonly archive: ManifestFile;
  readonly listing: ManifestFile;
  readonly complaints: readonly string[];
}

async function archive(
  order: ModuleOrder,
  selection: Selection,
  index: number,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<Archived> {
  const { volume } = selection;
  const scratch = (name: string): string => join(order.scratch, `${index}.${name}`);
  const [listing, complaints, lock] = [scratch('listing'), scratch('complaints'), scratch('lock')];
  const isSteady = hasSteadyNumbers(volume.fileSystem);
  const base = order.base && (await fetchListing(order.base, volume, isSteady, listing, signal));
  const excluding = await excludeWords(selection, scratch);
  await writeWanted(selection, scratch('wanted'));
  const name = fileNameIn(volume, index);
  const what = `archive ${calledVolume(volume)} of "${order.vmName}" with tar`;
  // Of what is only read for its time stamps the first reader fills the cache, and the second takes from it.
  const both = new AbortController();
  const each = AbortSignal.any([signal, both.signal]);
  const stop = (error: unknown): never => {
    both.abort(error);
    throw error;
  };
  const newest = newestChange(volume.directory, isSteady ? 'ctime' : 'mtime', each).catch(stop);
  const copied = copyToFile(
    {
      source: {
        program: 'sh',
        args: ['-c', START, 'sh', lock, complaints, ...tarWords(selection, excluding, scratch)],
        what,
      },
      file: join(order.directory, `${name}.tar`),
      offsetBytes: 0,
      sparse: false,
    },
    onBytes,
    each,
  ).catch(stop);
  try {
    await Promise.all([newest, copied]);
  } catch (error) {
    await Promise.allSettled([newest, copied]);
    await isOver(lock);
    signal.throwIfAborted();
    throw withComplaints(error, what, await linesOf(complaints));
  }
  const { since, now } = sinceWhen(await newest, isSteady, order.pointInTimeMs);
  if (base !== undefined && isSteady && isOlder(now, base))
    throw new BaseRefused(
      `nothing on ${calledVolume(volume)} is as new as when the last one was made: it went back in time`,
    );
  return {
    archive: { path: `${name}.tar`, role: 'archive', ...(await copied) },
    listing: await keepListing(listing, since, join(order.directory, `${name}.snar`), `${name}.snar`),
    complaints: await linesOf(complaints),
  };
}

/**
 * Takes the lock for as long as it lives, even when nobody waits for it any more; its messages in a language that can be read, and no
 * options of the environment's.
 */
const START =
  'exec 9> "$1"; flock 9; exec 2> "$2"; shift 2; export LC_ALL=C.UTF-8; unset TAR_OPTIONS; exec "$@"';

/** A volume that is to be unmounted is not, for as long as tar still reads it. */
async function isOver(lock: string): Promise<void> {
  await endOfModule(
    { program: 'flock', args: [lock, 'true'], what: 'wait for tar to end', debian: 'util-linux' },
    new AbortController().signal,
  ).catch(() => undefined);
}

function tarWords(
  { volume }: Selection,
  excluding: readonly string[],
  scratch: (name: string) => string,
): readonly string[] {
  return [
    ...['tar', '--create', '--file=-', '--format=posix', '--sparse', '--acls', '--xattrs', '--numeric-owner'],
    // What a device is called changes from mount to mount, and what is mounted within it is a volume of its own.
    ...[`--listed-incremental=${scratch('listing')}`, '--no-check-device', '--one-file-system'],
    ...excluding,
    ...['-C', volume.directory, '--null', '--verbatim-files-from', `--files-from=${scratch('wanted')}`],
  ];
}

/** Writes what is left out into files, and says how tar is told of them. @param scratch a name's file */
export async function excludeWords(
  { excludes, ignoresCase }: Selection,
  scratch: (name: string) => string,
): Promise<readonly string[]> {
  const { anchored, floating } = tarExcludes(excludes);
  await writeFile(scratch('anchored'), anchored);
  await writeFile(scratch('floating'), floating);
  return [
    // Wildcards are on for these; to say so (--wildcards) would take the names of directories for patterns too, and leave them out.
    ...(ignoresCase ? ['--ignore-case'] : []),
    ...['--no-wildcards-match-slash', '--anchored', `--exclude-from=${scratch('anchored')}`],
    ...['--no-anchored', `--exclude-from=${scratch('floating')}`, '--no-ignore-case'],
  ];
}

/** Writes the paths that are backed up, each with a zero behind it. */
export async function writeWanted({ paths }: Pick<Selection, 'paths'>, file: string): Promise<void> {
  const wanted = paths.length === 0 ? ['.'] : paths.map((steps) => `./${steps.join('/')}`);
  await writeFile(file, wanted.map((path) => `${path}\0`).join(''));
}

/** FAT keeps times by the guest's own zone, and another that differs by a day is possible. */
const ZONES_SECONDS = 26n * 3600n;

/**
 * The time from which on a file counts as changed in the next archive. GNU tar would take the time at which it began, by this proxy's clock: what the
 * guest changed between the snapshot and then, or while its clock was behind, would be in no archive.
 */
function sinceWhen(
  newest: Stamp,
  isSteady: boolean,
  pointInTimeMs: number,
): { readonly since: Stamp; readonly now: Stamp } {
  const taken: Stamp = { seconds: BigInt(Math.floor(pointInTimeMs / 1000)), nanoseconds: 0n };
  // A clock that was put back since then is all that could make this too late.
  const now = isOlder(taken, newest) ? taken : newest;
  return { since: isSteady ? now : earlier(now, ZONES_SECONDS), now };
}

/** Puts the base's listing where tar finds it. @returns the time since which it lists @throws BaseRefused */
async function fetchListing(
  base: BasePoint,
  volume: Pick<FileVolume, 'id' | 'name'> & { readonly directory: string },
  isSteady: boolean,
  to: string,
  signal: AbortSignal,
): Promise<Stamp> {
  const { listing } = base.volumes.find(({ id }) => id === volume.id) ?? {};
  const file = base.files.find(({ path }) => path === listing);
  if (file === undefined) throw new BaseRefused(`the last one has no listing of ${calledVolume(volume)}`);
  await rm(to, { force: true });
  try {
    await copyFile(join(base.directory, file.path), to);
    if ((await hashFile(to, () => undefined, signal)).sha256 !== file.sha256)
      throw new Error('it is not what was written');
    const parsed = parseListing(await readFile(to));
    if (!isSteady) await writeFile(to, formatListing(await withNumbersOf(parsed, volume.directory)));
    return { seconds: BigInt(parsed.since.seconds), nanoseconds: BigInt(parsed.since.nanoseconds) };
  } catch (error) {
    signal.throwIfAborted();
    throw new BaseRefused(`the listing ${file.path} of the last one cannot be used: ${messageOf(error)}`);
  }
}

/** With the numbers that directories of the same names have now, or else each would count as new. */
async function withNumbersOf(listing: Listing, directory: string): Promise<Listing> {
  const root = Buffer.from(`${directory}/`);
  const directories = [];
  for (const each of listing.directories) {
    const path = Buffer.concat([root, Buffer.from(each.name, 'latin1')]);
    const found = await lstat(path, { bigint: true }).catch(() => undefined);
    directories.push({ ...each, inode: String(found?.ino ?? each.inode) });
  }
  return { ...listing, directories };
}

async function keepListing(from: string, since: Stamp, to: string, path: string): Promise<ManifestFile> {
  const listing = parseListing(await readFile(from));
  const bytes = formatListing({
    ...listing,
    since: { seconds: String(since.seconds), nanoseconds: String(since.nanoseconds) },
    directories: listing.directories.map((each) => ({ ...each, device: NO_DEVICE })),
  });
  await writeFile(to, bytes, { mode: 0o600 });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { path, role: 'listing', sizeBytes: bytes.length, sha256 };
}

/** `D`, `%2Fsrv`, `scsi0%3A0%2F2`. */
export function fileNameIn({ name, id }: Pick<FileVolume, 'id' | 'name'>, index: number): string {
  try {
    return fileNameOf((name ?? id).replace(/^([A-Z]):$/, '$1'));
  } catch {
    return `volume-${index}`;
  }
}

const IGNORED = /^tar: (.*): (socket|door) ignored$/;

function notKept(line: string): string {
  const [, path = '', kind = ''] = IGNORED.exec(line) ?? [];
  return path === '' ? line : `${path.replace(/^\.(?=\/)/, '')}: a ${kind} is not kept`;
}

/**
 * Said of what is no loss: another volume's mount point, which is archived as that volume, and attributes where the file system has none.
 */
const NO_LOSS =
  /: (?:directory is on a different filesystem; not dumped|Warning: Cannot flistxattr: Operation not supported)$/;

async function linesOf(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '' && !NO_LOSS.test(line));
}

const MOST_NAMED = 5;
/** What tar says last of all failures, and which says nothing. */
const EXITING = 'Exiting with failure status';

/** What tar said of files, in place of what is known of its end alone. */
function withComplaints(error: unknown, what: string, complaints: readonly string[]): unknown {
  const said = complaints.filter((line) => !IGNORED.test(line) && !line.includes(EXITING));
  const exit = /ended with (\w+)/.exec(messageOf(error))?.[1];
  if (!isErrorWithCode(error, 'ProgramFailed') || exit === undefined || said.length === 0) return error;
  const named = said.slice(0, MOST_NAMED);
  const more = said.length - named.length;
  return moduleFailed(
    { program: 'tar', what },
    exit,
    more > 0 ? [...named, `and ${more} lines more`] : named,
  );
}
