import { randomUUID } from 'node:crypto';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { fileNameOf } from '../domain/fileName.js';
import { formatBytes, formatDuration } from '../domain/format.js';
import type { BackupRequest, BackupResult } from '../domain/runs.js';
import { parseTransport } from '../domain/transport.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { startBackup } from '../temporal/runs.js';
import { accessHost, addHostFlags, findOneVm, startWithLoan, type HostFlags } from './hostAccess.js';
import { Output } from './output.js';
import { accessTemporal } from './temporalAccess.js';
import { watchRun } from './watchRun.js';

interface BackupFlags extends HostFlags {
  readonly to?: string;
  readonly root?: string;
  readonly transport: string;
  readonly quiesce: string;
  readonly retries: string;
  readonly backoff: string;
  readonly json: boolean;
  readonly detach: boolean;
}

export function addBackup(program: Command, settings: Settings): void {
  addHostFlags(
    program
      .command('backup')
      .description('back up a VM, image-level')
      .argument('<vm>', 'name:<name>, ipaddr:<address>, uuid:<bios uuid>, moref:<id>, or a name')
      .option('--to <directory>', 'the backup’s directory; its parent must exist')
      .option('--root <directory>', 'BACKUPROOT: the backup goes to <root>/<vm>-fullVM')
      .option('--transport <mode>', 'nbdssl:lease or nbdssl:datastore', 'nbdssl:lease')
      .option('--quiesce <how>', 'required, preferred (else crash-consistent) or none', 'required')
      .option('--retries <number>', 'MAX_RETRIES: retries of a failed operation', '0')
      .option('--backoff <seconds>', 'BACKOFF_TIME: seconds before a retry', '10')
      .option('--detach', 'return as soon as the run is started', false)
      .option('--json', 'one JSON object a line', false)
      .addHelpText(
        'after',
        '\nExample:\n  everthaw backup name:db1 --root /backups --host vc.example.com --username backup --password-file pw --ca-file ca.pem',
      ),
  ).action(async (vmText: string, flags: BackupFlags) => {
    const output = new Output(flags.json);
    const access = await accessHost(settings, flags);
    let request: BackupRequest;
    try {
      const vm = await findOneVm(access.host, parseVmSpec(vmText));
      request = {
        vm: { hostUuid: access.host.identity.uuid, instanceUuid: vm.instanceUuid, name: vm.name },
        proxy: settings.proxy,
        loan: randomUUID(),
        directory: destinationOf(flags, vm.name),
        transport: parseTransport(flags.transport),
        quiesce: oneOf('--quiesce', flags.quiesce, ['required', 'preferred', 'none']),
        maximumSnapshotAgeMs: settings.maximumSnapshotAgeMs,
        retries: {
          maximumRetries: wholeNumber('--retries', flags.retries),
          backoffMs: wholeNumber('--backoff', flags.backoff) * 1000,
        },
      };
    } finally {
      await access.host.logout();
    }
    const { client } = await accessTemporal(settings);
    const handle = await startWithLoan(settings, access, request.loan, () => startBackup(client, request));
    output.say(`backup of "${request.vm.name}" to ${request.directory} started as ${handle.workflowId}`);
    if (!flags.detach) {
      const result = await watchRun(handle, output);
      output.result(result, describeBackup(result));
    }
    await client.connection.close();
  });
}

export function describeBackup(result: BackupResult): readonly string[] {
  return [
    `backup ${result.state}: ${result.directory}`,
    ...result.disks.map(
      ({ label, bytes, bytesPerSecond, transport, sha256 }) =>
        `  ${label}  ${formatBytes(bytes)}  ${formatBytes(bytesPerSecond)}/s  ${transport}  sha256 ${sha256}`,
    ),
    `  ${result.consistency}-consistent as of ${result.pointInTime}`,
    `  frozen for at most ${formatDuration(result.frozenAtMostMs)}, in snapshot for ${formatDuration(result.inSnapshotMs)}, ${formatDuration(result.durationMs)} in all`,
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

export function wholeNumber(flag: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new EverthawError({
    code: 'WrongUsage',
    what: `read ${flag}`,
    why: `${JSON.stringify(text)} is no whole number`,
    hint: `write ${flag} 3`,
  });
}

function oneOf<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === text);
  if (found !== undefined) return found;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `read ${flag}`,
    why: `${JSON.stringify(text)} is none of ${allowed.join(', ')}`,
    hint: `write ${flag} ${allowed[0] ?? ''}`,
  });
}
