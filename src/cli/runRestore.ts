import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../config/settings.js';
import { mapDatastores } from '../domain/datastoreMap.js';
import { formatBytes, formatDuration } from '../domain/format.js';
import { fileNameOf } from '../domain/fileName.js';
import type { Manifest } from '../domain/manifest.js';
import { restoreWish } from '../domain/placeWish.js';
import type { RestoreRequest, RestoreResult, RestoreWish } from '../domain/restores.js';
import { isScpUrl } from '../domain/scpUrl.js';
import { imageLevel } from '../destinations/restorePoint.js';
import type { Host } from '../hosts/host.js';
import { accessHost } from './accessHost.js';
import type { HostAccess } from '../requests/hostAccess.js';
import { answerFor, type Answer } from './existing.js';
import { Output } from './output.js';
import { placesOf } from './places.js';
import { EXISTING, type RestoreFlags } from './restore.js';
import { storedBackup } from './storedBackups.js';
import { oneOf } from './values.js';

/** What became of one backup: restored, started (`--detach`), or left alone because of what is there. */
export type RestoreOutcome = 'restored' | 'kept';

export async function runRestore(
  settings: Settings,
  named: string,
  flags: RestoreFlags,
): Promise<RestoreOutcome> {
  const backup = await storedBackup(named);
  const { directory } = backup;
  const manifest = imageLevel(await backup.manifest(), directory);
  const name = flags.name ?? manifest.vm.name;
  const told = await placesOf(settings, flags.catalog, backup, manifest);
  // Whoever gives a catalog or a storage has said where to.
  const isSaid = flags.catalog !== undefined || flags.storage !== undefined;
  const { places, notes } = mapDatastores(manifest, told.places, isSaid ? {} : settings.host.datastores);
  for (const note of [...told.notes, ...notes]) console.error(`note: ${note}`);
  const wish = {
    ...(places === undefined ? {} : { places }),
    ...(flags.storage === undefined ? {} : { storage: flags.storage }),
    ...(flags.network === undefined ? {} : { network: flags.network }),
  };
  // The client of Temporal takes as long to load as the host to answer.
  const [{ access, existing, instanceUuid }, { startAndFollow }, { startRestore }] = await Promise.all([
    lookAtHost(settings, flags, name, manifest, restoreWish(manifest, wish)),
    import('./startAndFollow.js'),
    import('../temporal/runs.js'),
  ]);
  if (existing.answer === 'keep') {
    const why = `${existing.obstacle}, and stays: nothing was restored`;
    new Output(flags.json).result({ state: 'skipped', name, why }, [`restore skipped: "${name}": ${why}`]);
    return 'kept';
  }
  const request: RestoreRequest = {
    vm: { hostUuid: access.host.identity.uuid, instanceUuid, name },
    proxy: settings.proxy,
    loan: randomUUID(),
    directory,
    ...(isScpUrl(directory) ? { fetchInto: placeToFetch(settings, manifest) } : {}),
    existing: existing.answer,
    powerOn: flags.powerOn,
    ...wish,
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
  return 'restored';
}

/** Where the run keeps what it fetches from another machine, until it ends (F4). */
function placeToFetch({ console: { tempDirectory = tmpdir() } }: Settings, { vm }: Manifest): string {
  return join(tempDirectory, fileNameOf(vm.name));
}

async function lookAtHost(
  settings: Settings,
  flags: RestoreFlags,
  name: string,
  manifest: Manifest,
  wish: RestoreWish,
): Promise<{ readonly access: HostAccess; readonly existing: Answer; readonly instanceUuid: string }> {
  const policy = oneOf('--existing', flags.overwrite ? 'overwrite' : flags.existing, EXISTING);
  const access = await accessHost(settings);
  try {
    const { host } = access;
    const existing = await answerFor(policy, host, name, manifest, wish, flags.json);
    const instanceUuid = await identityFor(existing.answer === 'overwrite', name, manifest.vm, host);
    return { access, existing, instanceUuid };
  } finally {
    await access.host.logout();
  }
}

/** Whose identity the restored VM has: the replaced VM's, the original's if nobody has it, or a new one for a copy. */
async function identityFor(
  replaces: boolean,
  name: string,
  original: Manifest['vm'],
  host: Host,
): Promise<string> {
  if (replaces) {
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
