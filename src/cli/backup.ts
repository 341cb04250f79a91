import { randomUUID } from 'node:crypto';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
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
import { startBackup } from '../temporal/runs.js';
import { accessHost, findOneVm } from './hostAccess.js';
import { addRunFlags, retriesOf, startAndFollow, type RunFlags } from './runFlags.js';
import { oneOf } from './values.js';

interface BackupFlags extends RunFlags {
  readonly to?: string;
  readonly root?: string;
  readonly transport?: string;
  readonly diskFormat?: string;
  readonly quiesce: string;
  readonly snapshotPolicy: string;
  readonly preexistingSnapshot: string;
  readonly preexistingMountPoint: string;
}

export function addBackup(program: Command, settings: Settings): void {
  const command = program
    .command('backup')
    .description('back up a VM, image-level')
    .argument('<vm>', 'name:<name>, ipaddr:<address>, uuid:<bios uuid>, moref:<id>, or a name')
    .option('--to <directory>', 'the backup’s directory; its parent must exist')
    .option('--root <directory>', 'BACKUPROOT: the backup goes to <root>/<vm>-fullVM')
    .option(
      '--transport <mode>',
      'vSphere: nbdssl:lease (default), nbdssl:datastore; libvirt: nbd:export, or nbdssl:export with --nbd-transport tls',
    )
    .option('--disk-format <format>', 'libvirt: qcow2 (default), vmdk or raw')
    .option('--quiesce <how>', 'required, preferred (else crash-consistent) or none', 'required')
    .option(
      '--snapshot-policy <policy>',
      'automatic; manual: use the existing _VCB_BACKUP_ and leave it; createonly: leave the one that is taken; deleteonly: use the existing one, then remove it',
      'automatic',
    )
    .option(
      '--preexisting-snapshot <what>',
      'what is done with a snapshot _VCB_BACKUP_ that is there already, whoever made it: fail or delete',
      'fail',
    )
    .option(
      '--preexisting-mount-point <what>',
      'delete: first let go of what dead runs left of this VM, unfinished directories and snapshots; fail: leave it to the sweeper',
      'fail',
    )
    .addHelpText(
      'after',
      '\nExample:\n  everthaw backup name:db1 --root /backups --host vc.example.com --username backup --password-file pw --ca-file ca.pem',
    );
  addRunFlags(command).action(async (vmText: string, flags: BackupFlags) => {
    const access = await accessHost(settings, flags);
    let vm: VmSummary;
    try {
      vm = await findOneVm(access.host, parseVmSpec(vmText));
    } finally {
      await access.host.logout();
    }
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
  });
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
