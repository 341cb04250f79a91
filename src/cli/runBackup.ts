import { basename, resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { fileNameOf } from '../domain/fileName.js';
import { formatBytes, formatDuration } from '../domain/format.js';
import type { BackupResult } from '../domain/runs.js';
import type { VmSummary } from '../domain/vm.js';
import { formatScpUrl, isScpUrl, parseScpUrl, scpUrlBelow } from '../domain/scpUrl.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { backupRequest } from '../requests/backupRequest.js';
import type { BackupFlags } from './backup.js';
import { findOneVm } from '../requests/findVms.js';
import { accessHost } from './accessHost.js';
import type { HostAccess } from '../requests/hostAccess.js';
import type { RunFlags } from './runFlags.js';
import type { Follower } from './startAndFollow.js';

export async function runBackup(
  settings: Settings,
  vmText: string,
  flags: RunFlags & Pick<BackupFlags, 'to'>,
): Promise<void> {
  // The client of Temporal takes as long to load as the host to answer.
  const [{ access, vm }] = await Promise.all([findVm(settings, vmText), loadRuns()]);
  await backUp(settings, access, vm, destinationOf(flags, settings, vm.name), flags);
}

/** Backs up a VM that was found, and follows its run to the end. */
export async function backUp(
  settings: Settings,
  access: HostAccess,
  vm: VmSummary,
  directory: string,
  flags: RunFlags,
  follower?: Follower,
): Promise<void> {
  const request = backupRequest(settings, access, vm, directory);
  const [{ startAndFollow }, { startBackup }] = await loadRuns();
  const title = `backup of "${vm.name}" to ${request.directory}`;
  const run = { request, title, start: startBackup, describe: describeBackup };
  await startAndFollow(settings, flags, access, run, follower);
}

function loadRuns() {
  return Promise.all([import('./startAndFollow.js'), import('../temporal/runs.js')]);
}

/** Logs in, and finds the VM that is meant. */
export async function findVm(
  settings: Settings,
  vmText: string,
): Promise<{ readonly access: HostAccess; readonly vm: VmSummary }> {
  const access = await accessHost(settings);
  try {
    return {
      access,
      vm: await findOneVm(settings, access.host, parseVmSpec(vmText, settings.lookup)),
    };
  } finally {
    await access.host.logout();
  }
}

function describeBackup(result: BackupResult): readonly string[] {
  return [
    `backup ${result.state}: ${result.directory}`,
    ...result.disks.map(
      ({ label, bytes, bytesPerSecond, transport, sha256 }) =>
        `  ${label}  ${formatBytes(bytes)}  ${formatBytes(bytesPerSecond)}/s  ${transport}  sha256 ${sha256}`,
    ),
    `  ${result.consistency}-consistent as of ${result.pointInTime}`,
    `  frozen for at most ${formatDuration(result.frozenAtMostMs)}, in snapshot for ${formatDuration(result.inSnapshotMs)}, ${formatDuration(result.durationMs)} in all`,
    ...(result.snapshotLeft === undefined
      ? []
      : [`  snapshot ${result.snapshotLeft} stays, as the snapshot policy says`]),
    ...result.warnings.map((warning) => `  warning: ${warning}`),
  ];
}

/** Where a VM's backup goes. @throws EverthawError WrongUsage where that is not said */
export function destinationOf(
  { to }: Pick<BackupFlags, 'to'>,
  { backup: { root } }: Settings,
  vmName: string,
): string {
  if (to !== undefined) {
    const directory = isScpUrl(to) ? formatScpUrl(parseScpUrl(to)) : resolve(to);
    if (basename(directory) !== '' && !directory.endsWith('/')) return directory;
  }
  const name = `${fileNameOf(vmName)}-fullVM`;
  if (root !== undefined) return isScpUrl(root) ? scpUrlBelow(root, name) : resolve(root, name);
  throw new EverthawError({
    code: 'WrongUsage',
    what: `back up "${vmName}"`,
    why: 'where to is not given',
    hint: 'give --root <directory> or --to <directory>',
  });
}
