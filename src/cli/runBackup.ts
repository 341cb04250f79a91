import { randomUUID } from 'node:crypto';
import { basename, resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { IMAGE_FORMATS } from '../domain/diskFiles.js';
import { EverthawError } from '../domain/errors.js';
import { fileNameOf } from '../domain/fileName.js';
import { formatBytes, formatDuration } from '../domain/format.js';
import { PREEXISTING, SNAPSHOT_POLICIES, type BackupRequest, type BackupResult } from '../domain/runs.js';
import { formatTransport, parseTransport, type Transport } from '../domain/transport.js';
import type { VmSummary } from '../domain/vm.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import type { Host } from '../hosts/host.js';
import type { BackupFlags } from './backup.js';
import { findOneVm } from './findVms.js';
import { accessHost, type HostAccess } from './hostAccess.js';
import { retriesOf } from './runFlags.js';
import { oneOf } from './values.js';

export async function runBackup(settings: Settings, vmText: string, flags: BackupFlags): Promise<void> {
  // The client of Temporal takes as long to load as the host to answer.
  const [{ access, vm }, { startAndFollow }, { startBackup }] = await Promise.all([
    findVm(settings, vmText, flags),
    import('./startAndFollow.js'),
    import('../temporal/runs.js'),
  ]);
  const request: BackupRequest = {
    vm: { hostUuid: access.host.identity.uuid, instanceUuid: vm.instanceUuid, name: vm.name },
    proxy: settings.proxy,
    loan: randomUUID(),
    directory: destinationOf(flags, vm.name),
    transport: transportOf(flags, access.host),
    ...diskFormatOf(flags, access.host),
    quiesce: oneOf('--quiesce', flags.quiesce, ['required', 'preferred', 'none']),
    snapshotPolicy: oneOf('--snapshot-policy', flags.snapshotPolicy, SNAPSHOT_POLICIES),
    preexistingSnapshot: oneOf('--preexisting-snapshot', flags.preexistingSnapshot, PREEXISTING),
    preexistingMountPoint: oneOf('--preexisting-mount-point', flags.preexistingMountPoint, PREEXISTING),
    maximumSnapshotAgeMs: settings.maximumSnapshotAgeMs,
    retries: retriesOf(flags),
  };
  const title = `backup of "${vm.name}" to ${request.directory}`;
  await startAndFollow(settings, flags, access, {
    request,
    title,
    start: startBackup,
    describe: describeBackup,
  });
}

async function findVm(
  settings: Settings,
  vmText: string,
  flags: BackupFlags,
): Promise<{ readonly access: HostAccess; readonly vm: VmSummary }> {
  const access = await accessHost(settings, flags);
  try {
    return { access, vm: await findOneVm(settings, access.host, parseVmSpec(vmText)) };
  } finally {
    await access.host.logout();
  }
}

function diskFormatOf(
  flags: BackupFlags,
  host: Host,
): { readonly diskFormat: (typeof IMAGE_FORMATS)[number] } | undefined {
  if (flags.diskFormat === undefined) return undefined;
  const diskFormat = oneOf('--disk-format', flags.diskFormat, IMAGE_FORMATS);
  const transport = transportOf(flags, host);
  if (transport.via === 'export') return { diskFormat };
  throw new EverthawError({
    code: 'WrongUsage',
    what: `keep disks as ${diskFormat}`,
    why: `by ${formatTransport(transport)} they are kept as VMDK, the form in which they come`,
    hint: 'leave --disk-format out',
  });
}

function transportOf({ transport }: Pick<BackupFlags, 'transport'>, host: Host): Transport {
  const [usual] = host.transports;
  return transport === undefined && usual !== undefined ? usual : parseTransport(transport ?? '');
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

function destinationOf({ to, root }: Pick<BackupFlags, 'to' | 'root'>, vmName: string): string {
  if (to !== undefined) {
    const directory = resolve(to);
    if (basename(directory) !== '') return directory;
  }
  if (root !== undefined) return resolve(root, `${fileNameOf(vmName)}-fullVM`);
  throw new EverthawError({
    code: 'WrongUsage',
    what: `back up "${vmName}"`,
    why: 'where to is not given',
    hint: 'give --root <directory> or --to <directory>',
  });
}
