import { createHash } from 'node:crypto';
import { lstat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileManifest } from '../domain/fileManifest.js';
import type { ManifestFile } from '../domain/manifest.js';
import type { RcloneDestination } from '../domain/moduleChoice.js';
import { filePointName, filePointsName } from '../domain/filePoints.js';
import { EverthawError } from '../domain/errors.js';
import { copyToFile } from '../disks/copier.js';
import { calledVolume, type IntegrationModule, type ModuleOrder, type Moved } from './module.js';
import { rcloneExcludes } from './patterns.js';
import { askRclone, markPlace, placeBelow, purgePlace, runRclone } from './rcloneProgram.js';
import type { Selection } from './selection.js';
import { excludeWords, fileNameIn, writeWanted } from './tar.js';

/**
 * Files as they are, in any place that rclone reaches. What rclone does not keep lies beside the manifest, an archive of GNU tar's for each volume: its
 * directories with their modes, owners and times, its links and devices, and files with names that it would change. Each restore point is a whole copy.
 */
export function rclone(destination: RcloneDestination): IntegrationModule {
  return {
    name: 'rclone',
    kinds: ['full'],
    place: destination.place,
    chains: false,
    check: async (_, signal) => {
      const { place } = destination;
      const what = `open "${place}" with rclone`;
      const args = ['lsf', '--max-depth=1', '--', place];
      // It is not made: what is not mounted just now is no place for backups.
      if ((await askRclone(destination, { args, what }, signal)) === undefined) throw noPlace(place, what);
    },
    move: async (order, signal, tell) => {
      const place = placeFor(destination, order.vmName, order.pointName);
      await purgePlace(destination, place, order.runId, signal);
      const mark = join(order.scratch, 'run');
      await writeFile(mark, order.runId);
      await markPlace(destination, place, mark, signal);
      try {
        return await copyAll(destination, place, order, signal, tell);
      } catch (error) {
        const cleaning = AbortSignal.timeout(CLEANING_MS);
        await purgePlace(destination, place, order.runId, cleaning).catch(() => undefined);
        throw error;
      }
    },
  };
}

/** Where the copies of a restore point are, told by its VM's name and its time. */
export function placeOfPoint(
  destination: RcloneDestination,
  { vm, pointInTime }: Pick<FileManifest, 'vm' | 'pointInTime'>,
): string {
  return placeFor(destination, vm.name, filePointName(new Date(pointInTime)));
}

function placeFor({ place }: RcloneDestination, vmName: string, pointName: string): string {
  return placeBelow(place, filePointsName(vmName), pointName);
}

function noPlace(place: string, what: string): EverthawError {
  return new EverthawError({
    code: 'DestinationMissing',
    what,
    why: 'it is not there',
    hint: `see that it is mounted, or make it: rclone mkdir ${place}`,
  });
}

const CLEANING_MS = 10_000;

async function copyAll(
  destination: RcloneDestination,
  place: string,
  order: ModuleOrder,
  signal: AbortSignal,
  tell: Parameters<IntegrationModule['move']>[2],
): Promise<Moved> {
  const kept: Moved['kept'][number][] = [];
  const files: ManifestFile[] = [];
  let before = 0;
  for (const [index, selection] of order.selections.entries()) {
    const name = fileNameIn(selection.volume, index);
    const at = placeBelow(place, name);
    let bytes = 0;
    const onBytes = (done: number): void => {
      bytes = done;
      tell({ what: calledVolume(selection.volume), bytes: before + done });
    };
    await copyFiles(destination, at, order, selection, index, signal, onBytes);
    before += bytes;
    const frame = `${name}.frame.tar`;
    const copied = `${name}.copied.json`;
    files.push(await keepFrame(order, selection, index, frame, signal));
    files.push(await keepCopied(destination, at, order.directory, copied, signal));
    kept.push({ place: at, frame, copied });
  }
  return { kept, files, notKept: [NEVER_KEPT], lastLines: [] };
}

const NEVER_KEPT =
  'by rclone: several names of one file become files of their own; holes, sockets and access lists of files are not kept, and their modes, owners and attributes where the destination takes them';

async function copyFiles(
  destination: RcloneDestination,
  place: string,
  order: ModuleOrder,
  { volume, paths, excludes, ignoresCase }: Selection,
  index: number,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const what = `copy ${calledVolume(volume)} of "${order.vmName}" with rclone`;
  for (const [n, steps] of (paths.length === 0 ? [[]] : paths).entries()) {
    const from = join(volume.directory, ...steps);
    const stats = await lstat(from);
    // Links and devices are in the frame.
    if (!stats.isDirectory() && !stats.isFile()) continue;
    const excluded = join(order.scratch, `${index}.${n}.excluded`);
    await writeFile(excluded, stats.isDirectory() ? STRANGE + rcloneExcludes(excludes, steps) : '');
    await runRclone(
      destination,
      {
        args: [
          ...[stats.isDirectory() ? 'copy' : 'copyto', '--skip-links', '--metadata', '--one-file-system'],
          ...(ignoresCase ? ['--ignore-case'] : []),
          ...[
            `--exclude-from=${excluded}`,
            '--',
            from,
            steps.length === 0 ? place : placeBelow(place, ...steps),
          ],
        ],
        ...{ what, onBytes },
      },
      signal,
    );
  }
}

/** Lists what is at the destination now: what is not there when it is wanted is told. */
async function keepCopied(
  destination: RcloneDestination,
  place: string,
  directory: string,
  path: string,
  signal: AbortSignal,
): Promise<ManifestFile> {
  const args = ['lsjson', '--recursive', '--files-only', '--no-mimetype', '--metadata', '--', place];
  const text = (await askRclone(destination, { args, what: `list "${place}"` }, signal)) ?? '[]';
  await writeFile(join(directory, path), text, { mode: 0o600 });
  const sha256 = createHash('sha256').update(text).digest('hex');
  return { path, role: 'copied', sizeBytes: Buffer.byteLength(text), sha256 };
}

/** All of a tree but its files' bytes: directories, links, devices. */
async function keepFrame(
  order: ModuleOrder,
  selection: Selection,
  index: number,
  path: string,
  signal: AbortSignal,
): Promise<ManifestFile> {
  const { volume } = selection;
  const scratch = (name: string): string => join(order.scratch, `${index}.${name}`);
  await writeWanted(selection, scratch('wanted'));
  const words = [
    ...['tar', '--create', '--file=-', '--format=posix', '--acls', '--xattrs', '--numeric-owner'],
    ...(await excludeWords(selection, scratch)),
    ...['-C', volume.directory, '--no-recursion', '--null', '--verbatim-files-from', '--files-from=-'],
  ];
  const source = {
    program: 'bash',
    args: ['-o', 'pipefail', '-c', FRAME, 'bash', volume.directory, scratch('wanted'), PLAIN, ...words],
    what: `archive the directories of ${calledVolume(volume)} of "${order.vmName}" with tar`,
  };
  const copied = await copyToFile(
    { source, file: join(order.directory, path), offsetBytes: 0, sparse: false },
    () => undefined,
    signal,
  );
  return { path, role: 'frame', ...copied };
}

/**
 * Lists what is no file, and files with a name that rclone would change, and hands all that to tar. In C.UTF-8 a byte that is no character matches
 * nothing.
 */
const FRAME = `
cd "$1" && mapfile -d '' -t top < "$2" || exit
plain=$3; shift 3; export LC_ALL=C.UTF-8; unset TAR_OPTIONS
strange() {
  find "\${top[@]}" -xdev -type f -print0 | grep -zaxvE "$plain"
  local ended=("\${PIPESTATUS[@]}")
  [ "\${ended[0]}" = 0 ] && [ "\${ended[1]}" -le 1 ]
}
{ find "\${top[@]}" -xdev ! -type f ! -type s -print0 && strange; } | "$@"`;

/** What stands for other characters in names as rclone has them: for control characters, for what is no UTF-8, and before such as are meant. */
const MEANT_OTHERWISE = `${Array.from({ length: 34 }, (_, n) => String.fromCodePoint(0x2400 + n)).join('')}\u201b\uff0e\uff0f\ufffd`;
/** A whole path that rclone leaves as it is, for grep. */
const PLAIN = `[^[:cntrl:]${MEANT_OTHERWISE}]*`;
/** And for its filters what it does not. */
const STRANGE = [`*[${MEANT_OTHERWISE}]*`, `*[${MEANT_OTHERWISE}]*/**`].map((line) => `${line}\n`).join('');
