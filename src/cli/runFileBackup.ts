import { resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { FILE_KINDS } from '../domain/fileManifest.js';
import { filePointsName } from '../domain/filePoints.js';
import { formatBytes, formatDuration } from '../domain/format.js';
import { printable } from '../domain/printable.js';
import type { FileBackupRequest, FileBackupResult } from '../domain/runs.js';
import { MODULE_NAMES } from '../domain/moduleChoice.js';
import { isScpUrl } from '../domain/scpUrl.js';
import type { VmSummary } from '../domain/vm.js';
import { namesMany, parseVmSpec } from '../domain/vmSpec.js';
import { backupAll, type BackUpOne } from './backupAll.js';
import type { HostAccess } from '../requests/hostAccess.js';
import { moduleChoice } from '../requests/moduleChoice.js';
import { volumesRequest } from '../requests/backupRequest.js';
import { findVm } from './runBackup.js';
import type { RunFlags, SeriesFlags } from './runFlags.js';
import { oneOf } from './values.js';

/** As words say it. */
export interface WishedFiles {
  readonly kind: string;
  readonly module: string;
  /** The program of `--module command`. */
  readonly words: readonly string[];
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Backs up files of the VM that a spec names, or of each of the many. */
export async function runFileBackups(
  settings: Settings,
  vmText: string,
  wished: WishedFiles,
  flags: RunFlags & SeriesFlags,
): Promise<void> {
  const root = rootOf(settings, vmText);
  const { include, exclude } = wished;
  const wish = {
    kind: oneOf('--kind', wished.kind, FILE_KINDS),
    module: moduleChoice(settings, oneOf('--module', wished.module, MODULE_NAMES), wished.words),
    ...{ include, exclude },
  };
  const backUpOne: BackUpOne = (access, vm, below, member) =>
    backUpFiles(settings, access, vm, { ...wish, root: below }, flags, member);
  if (namesMany(parseVmSpec(vmText, settings.lookup))) {
    await backupAll(settings, vmText, root, flags, backUpOne);
    return;
  }
  const { access, vm } = await findVm(settings, vmText);
  await backUpFiles(settings, access, vm, { ...wish, root }, flags);
}

type Wish = Pick<FileBackupRequest, 'kind' | 'module' | 'include' | 'exclude'> & { readonly root: string };

async function backUpFiles(
  settings: Settings,
  access: HostAccess,
  vm: VmSummary,
  { root, ...wish }: Wish,
  flags: RunFlags,
  member?: Parameters<BackUpOne>[3],
): Promise<void> {
  const points = resolve(root, filePointsName(vm.name));
  const request: FileBackupRequest = { ...volumesRequest(settings, access, vm), ...wish, points };
  const [{ startAndFollow }, { startFileBackup }] = await Promise.all([
    import('./startAndFollow.js'),
    import('../temporal/runs.js'),
  ]);
  const title = `${wish.kind} backup of files of "${vm.name}" to ${points}`;
  const run = { request, title, start: startFileBackup, describe };
  await startAndFollow(settings, flags, access, run, member);
}

function describe(result: FileBackupResult): readonly string[] {
  const { kind, module, base, fullBecause, directory, bytes } = result;
  return [
    `backup ${result.state}: ${directory}`,
    `  ${kind} by ${module}, ${formatBytes(bytes)}${base === undefined ? '' : `, built on ${base}`}`,
    ...(fullBecause === undefined ? [] : [`  full, because ${fullBecause}`]),
    ...result.volumes.map(
      ({ name, keptIn, limits }) =>
        `  ${name}${keptIn === undefined ? '' : `  ${keptIn}`}${limits === undefined ? '' : `  (${limits})`}`,
    ),
    ...result.notKept.map((line) => `  not kept: ${line}`),
    // What tar says is of files that it did not keep.
    ...(module === 'tar' ? [] : result.lastLines.map((line) => `  said: ${line}`)),
    `  ${result.consistency}-consistent as of ${result.pointInTime}`,
    `  in snapshot for ${formatDuration(result.inSnapshotMs)}, ${formatDuration(result.durationMs)} in all`,
    ...(result.snapshotLeft === undefined
      ? []
      : [`  snapshot ${result.snapshotLeft} stays, as the snapshot policy says`]),
    ...result.warnings.map((warning) => `  warning: ${warning}`),
  ].map(printable);
}

function rootOf({ backup: { root } }: Settings, vmText: string): string {
  const what = `back up files of ${vmText}`;
  if (root === undefined) throw refused(what, 'where to is not given', 'give --root <directory>');
  if (!isScpUrl(root)) return root;
  throw refused(
    `${what} to "${root}"`,
    'it is on another machine, and archives of files are written on this one',
    'name a directory of this machine, or a module that keeps files elsewhere',
  );
}

function refused(what: string, why: string, hint: string): EverthawError {
  return new EverthawError({ code: 'WrongUsage', what, why, hint });
}
