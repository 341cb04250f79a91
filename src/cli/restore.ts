import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { formatBytes, formatDuration } from '../domain/format.js';
import type { RestoreRequest, RestoreResult } from '../domain/runs.js';
import { readManifest } from '../destinations/restorePoint.js';
import { startRestore } from '../temporal/runs.js';
import { wholeNumber } from './backup.js';
import { accessHost, addHostFlags, startWithLoan, type HostFlags } from './hostAccess.js';
import { Output } from './output.js';
import { accessTemporal } from './temporalAccess.js';
import { watchRun } from './watchRun.js';

interface RestoreFlags extends HostFlags {
  readonly name?: string;
  readonly overwrite: boolean;
  readonly powerOn: boolean;
  readonly retries: string;
  readonly backoff: string;
  readonly json: boolean;
  readonly detach: boolean;
}

export function addRestore(program: Command, settings: Settings): void {
  addHostFlags(
    program
      .command('restore')
      .description('restore a VM from a backup directory')
      .argument('<directory>', 'the backup')
      .option('--name <name>', 'restore under another name, beside the original')
      .option('--overwrite', 'replace a powered-off VM of that name, once the new one is whole', false)
      .option('--power-on', 'power it on when it is whole', false)
      .option('--retries <number>', 'MAX_RETRIES: retries of a failed operation', '0')
      .option('--backoff <seconds>', 'BACKOFF_TIME: seconds before a retry', '10')
      .option('--detach', 'return as soon as the run is started', false)
      .option('--json', 'one JSON object a line', false)
      .addHelpText(
        'after',
        '\nExample:\n  everthaw restore /backups/db1-fullVM --host vc.example.com --username backup --password-file pw --ca-file ca.pem',
      ),
  ).action(async (directoryText: string, flags: RestoreFlags) => {
    const output = new Output(flags.json);
    const directory = resolve(directoryText);
    const manifest = await readManifest(directory);
    const access = await accessHost(settings, flags);
    let instanceUuid: string;
    const name = flags.name ?? manifest.vm.name;
    try {
      instanceUuid = await identityFor(flags, name, manifest.vm, access.host);
    } finally {
      await access.host.logout();
    }
    const request: RestoreRequest = {
      vm: { hostUuid: access.host.identity.uuid, instanceUuid, name },
      proxy: settings.proxy,
      loan: randomUUID(),
      directory,
      existing: flags.overwrite ? 'overwrite' : 'abort',
      powerOn: flags.powerOn,
      retries: {
        maximumRetries: wholeNumber('--retries', flags.retries),
        backoffMs: wholeNumber('--backoff', flags.backoff) * 1000,
      },
    };
    const { client } = await accessTemporal(settings);
    const handle = await startWithLoan(settings, access, request.loan, () => startRestore(client, request));
    output.say(`restore of "${name}" from ${directory} started as ${handle.workflowId}`);
    if (!flags.detach) {
      const result = await watchRun(handle, output);
      output.result(result, describeRestore(result));
    }
    await client.connection.close();
  });
}

/** Whose identity the restored VM has: the replaced VM's, the original's if nobody has it, or a new one for a copy. */
async function identityFor(
  flags: RestoreFlags,
  name: string,
  original: { name: string; instanceUuid: string; biosUuid: string },
  host: Awaited<ReturnType<typeof accessHost>>['host'],
): Promise<string> {
  if (flags.overwrite) {
    const [replaced] = await host.findVms({ kind: 'name', value: name });
    if (replaced !== undefined) return replaced.instanceUuid;
  }
  const living = await host.findVms({ kind: 'uuid', value: original.biosUuid });
  const taken = living.some(({ instanceUuid }) => instanceUuid === original.instanceUuid);
  return taken && name !== original.name ? randomUUID() : original.instanceUuid;
}

function describeRestore(result: RestoreResult): readonly string[] {
  return [
    `restore ${result.state}: "${result.name}" is ${result.moref} (instance uuid ${result.instanceUuid})`,
    `  ${formatBytes(result.bytes)} in ${formatDuration(result.durationMs)}`,
    ...result.warnings.map((warning) => `  warning: ${warning}`),
  ];
}
