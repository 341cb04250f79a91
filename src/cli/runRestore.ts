import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { formatBytes, formatDuration } from '../domain/format.js';
import type { RestoreRequest, RestoreResult } from '../domain/runs.js';
import { readManifest } from '../destinations/restorePoint.js';
import { startRestore } from '../temporal/runs.js';
import { accessHost } from './hostAccess.js';
import type { RestoreFlags } from './restore.js';
import { startAndFollow } from './startAndFollow.js';

export async function runRestore(
  settings: Settings,
  directoryText: string,
  flags: RestoreFlags,
): Promise<void> {
  const directory = resolve(directoryText);
  const manifest = await readManifest(directory);
  const access = await accessHost(settings);
  const name = flags.name ?? manifest.vm.name;
  let instanceUuid: string;
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
    ...(flags.storage === undefined ? {} : { storage: flags.storage }),
    ...(flags.network === undefined ? {} : { network: flags.network }),
    newAddresses: flags.newAddresses,
    retries: settings.retries,
  };
  const title = `restore of "${name}" from ${directory}`;
  await startAndFollow(settings, flags, access, {
    request,
    title,
    start: startRestore,
    describe: describeRestore,
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
