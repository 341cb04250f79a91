import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { formatBytes, formatDuration } from '../domain/format.js';
import type { Manifest } from '../domain/manifest.js';
import type { RestoreRequest, RestoreResult } from '../domain/runs.js';
import { readManifest } from '../destinations/restorePoint.js';
import type { Host } from '../hosts/host.js';
import { accessHost, type HostAccess } from './hostAccess.js';
import type { RestoreFlags } from './restore.js';

export async function runRestore(
  settings: Settings,
  directoryText: string,
  flags: RestoreFlags,
): Promise<void> {
  const directory = resolve(directoryText);
  const manifest = await readManifest(directory);
  const name = flags.name ?? manifest.vm.name;
  // The client of Temporal takes as long to load as the host to answer.
  const [{ access, instanceUuid }, { startAndFollow }, { startRestore }] = await Promise.all([
    findIdentity(settings, flags, name, manifest.vm),
    import('./startAndFollow.js'),
    import('../temporal/runs.js'),
  ]);
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

async function findIdentity(
  settings: Settings,
  flags: RestoreFlags,
  name: string,
  original: Manifest['vm'],
): Promise<{ readonly access: HostAccess; readonly instanceUuid: string }> {
  const access = await accessHost(settings);
  try {
    return { access, instanceUuid: await identityFor(flags, name, original, access.host) };
  } finally {
    await access.host.logout();
  }
}

/** Whose identity the restored VM has: the replaced VM's, the original's if nobody has it, or a new one for a copy. */
async function identityFor(
  flags: RestoreFlags,
  name: string,
  original: Manifest['vm'],
  host: Host,
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
