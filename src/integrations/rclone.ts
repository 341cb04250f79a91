import { lstat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileManifest } from '../domain/fileManifest.js';
import type { ManifestFile } from '../domain/manifest.js';
import type { RcloneDestination } from '../domain/moduleChoice.js';
import { filePointName, filePointsName } from '../domain/filePoints.js';
import { copyToFile } from '../disks/copier.js';
import { calledVolume, type IntegrationModule, type ModuleOrder, type Moved } from './module.js';
import { rcloneExcludes } from './patterns.js';
import { markPlace, placeBelow, purgePlace, runRclone } from './rcloneProgram.js';
import type { Selection } from './selection.js';
import { excludeWords, fileNameIn, writeWanted } from './tar.js';

/**
 * Files as they are, in any place that rclone reaches. What rclone does not keep lies beside the manifest, an archive of GNU tar's for each volume: its
 * directories with their modes, owners and times, its links and devices. Each restore point is a whole copy.
 */
export function rclone(destination: RcloneDestination): IntegrationModule {
  return {
    name: 'rclone',
    kinds: ['full'],
    place: destination.place,
    chains: false,
    check: async (_, signal) => {
      const what = `open "${destination.place}" with rclone`;
      await runRclone(destination, { args: ['mkdir', '--', destination.place], what }, signal);
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
    files.push(await keepFrame(order, selection, index, `${name}.frame.tar`, signal));
    kept.push({ place: at, frame: `${name}.frame.tar` });
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
    await writeFile(excluded, stats.isDirectory() ? rcloneExcludes(excludes, steps) : '');
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
    args: ['-o', 'pipefail', '-c', FRAME, 'bash', volume.directory, scratch('wanted'), ...words],
    what: `archive the directories of ${calledVolume(volume)} of "${order.vmName}" with tar`,
  };
  const copied = await copyToFile(
    { source, file: join(order.directory, path), offsetBytes: 0, sparse: false },
    () => undefined,
    signal,
  );
  return { path, role: 'frame', ...copied };
}

/** Lists what is no file, and hands it to tar. */
const FRAME =
  'cd "$1" || exit; wanted=$2; shift 2; export LC_ALL=C.UTF-8; unset TAR_OPTIONS; ' +
  'xargs -0 -a "$wanted" sh -c \'exec find "$@" -xdev ! -type f ! -type s -print0\' sh | "$@"';
