import { cancellationSignal } from '@temporalio/activity';
import { refuseTransport, refuseVm } from '../checks/refusals.js';
import { EverthawError } from '../domain/errors.js';
import type { VmRef } from '../domain/holding.js';
import { formatOwner, parseOwner } from '../domain/owner.js';
import type {
  MountRequest,
  MountVolumesResult,
  PointInTimeRequest,
  PreflightResult,
  Step,
} from '../domain/runs.js';
import { formatTransport } from '../domain/transport.js';
import type { DiskDescription } from '../domain/vm.js';
import { checkDestination, makePartial, readOwnerFile } from '../destinations/directory.js';
import type { Host } from '../hosts/host.js';
import { volumeMount } from '../holdings/volumeMount.js';
import { isKeeperAlive, keptBy, lastWords, renewCookies, startKeeper } from '../mounts/keeper.js';
import { brokenLayer } from '../mounts/layers.js';
import type { KeptVolumes } from '../mounts/keeperOrder.js';
import { takeSlots } from '../mounts/slots.js';
import { until } from '../system/until.js';
import { hostOf, ownerOf, takeLoan, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { outageOr } from './outage.js';
import { pulse } from './pulse.js';

const WATCH_MS = 1000;

export interface PreflightMountInput extends Step {
  readonly request: MountRequest;
}

/** As preflight, of what is to be mounted. */
export function createPreflightMount(dependencies: Dependencies) {
  return async function preflightMount(input: PreflightMountInput): Promise<PreflightResult> {
    const { request, run } = input;
    const found = await preflightVolumes(dependencies, input);
    const isOurs = parseOwner(await readOwnerFile(request.directory))?.runId === run.runId;
    if (!isOurs) await checkDestination(request.directory);
    return found;
  };
}

/** What can be known of a VM whose volumes are to be mounted, whatever for. */
export async function preflightVolumes(
  dependencies: Dependencies,
  input: Step & { readonly request: PointInTimeRequest },
): Promise<PreflightResult> {
  const { request, run } = input;
  await takeLoan(dependencies, { ...input, loan: request.loan });
  refuseUser(request);
  const host = await hostOf(dependencies, input);
  const vm = await host.describeVm(request.vm.instanceUuid);
  refuseTransport(host, vm.name, request.transport);
  refuseStream(request);
  const warnings = await refuseVm(host, vm, request, run.runId);
  return {
    disks: vm.disks,
    datastores: vm.datastores,
    toolsRunning: vm.toolsRunning,
    guestIsOurs: !('scriptsRunBy' in host.guest),
    warnings,
  };
}

function refuseUser({ vm, proxy }: PointInTimeRequest): void {
  if (process.getuid?.() === 0) return;
  throw new EverthawError({
    code: 'NotPermitted',
    what: `mount the volumes of "${vm.name}"`,
    why: `the worker of proxy "${proxy}" is not root, and others than root would not see what it mounts`,
    hint: 'run the worker as root, or back the VM up image-level: everthaw files reads that without root',
  });
}

/** Files lie all over a disk. */
function refuseStream({ vm, transport }: PointInTimeRequest): void {
  if (transport.via !== 'lease') return;
  throw new EverthawError({
    code: 'TransportRefused',
    what: `mount the volumes of "${vm.name}" by ${formatTransport(transport)}`,
    why: 'an export lease is a stream of the whole disk, and what mounts a volume reads here and there',
    hint: 'use nbdssl:datastore',
  });
}

export interface MountInput extends Step {
  readonly snapshotId: string;
  readonly request: Pick<MountRequest, 'transport' | 'maximumSnapshotAgeMs' | 'mostVolumes'>;
  readonly directory: string;
  readonly disks: readonly DiskDescription[];
}

/** Mounts the volumes of a snapshot, as soon as this proxy has room for as many. What an earlier attempt mounted whole is left as it is. */
export function createMount(dependencies: Dependencies) {
  return async function mount(input: MountInput): Promise<MountVolumesResult> {
    const { records, proxy } = dependencies;
    const { run, vm, request, directory } = input;
    const own = records.directoryOf('volumeMount', run);
    const standing = await keptBy(own);
    if (standing !== undefined) return resultOf(standing);
    const holding = { kind: 'volumeMount', run, vm, proxy, directory } as const;
    await volumeMount.release(holding, dependencies);
    const owner = await ownerOf(dependencies, { ...input, maximumAgeMs: request.maximumSnapshotAgeMs });
    await records.write('volumeMount', { owner, vmName: vm.name, id: directory });
    await makePartial(directory, formatOwner(owner));
    const host = await hostOf(dependencies, input);
    try {
      const kept = await keptAlive(
        watchWithMounts(dependencies, input, host),
        (signal) => mountAll(dependencies, input, own, signal),
        WATCH_MS,
      );
      return resultOf(kept);
    } catch (error) {
      throw await outageOr(error, host);
    }
  };
}

async function mountAll(
  { mountPlaces }: Dependencies,
  { vm, run, snapshotId, request, directory, disks }: MountInput,
  own: string,
  signal: AbortSignal,
): Promise<KeptVolumes> {
  const keeper = await startKeeper(
    {
      places: mountPlaces,
      directory: own,
      hostUuid: vm.hostUuid,
      user: run.runId,
      instanceUuid: vm.instanceUuid,
      snapshotId,
      transport: request.transport,
      disks,
    },
    signal,
  );
  const { slotsLock: lock } = mountPlaces;
  const { mostVolumes: most } = request;
  await takeSlots({ own, lock }, { volumes: keeper.volumes, most }, signal, (taken) => {
    pulse().hold({
      why: `held: ${taken} volumes are mounted on this proxy, and at most ${most} may be; it goes on when others are done`,
    });
  });
  return keeper.mount(directory);
}

function resultOf({ mounted, notes }: KeptVolumes): MountVolumesResult {
  return {
    volumes: mounted.map(({ volume, directory }) => ({ name: volume.name ?? volume.id, directory })),
    notes,
  };
}

/** Asks the host after the VM; where that took a new session, what serves its disks goes on in it. */
export function watchWithMounts(
  { hosts, records }: Dependencies,
  { vm, run, snapshotId }: Step & { readonly snapshotId: string },
  host: Host,
): () => Promise<void> {
  return async () => {
    await host.watchVm(vm.instanceUuid, snapshotId);
    const cookie = await hosts.cookie(vm.hostUuid, run.runId);
    if (cookie !== undefined) await renewCookies(records.directoryOf('volumeMount', run), cookie);
  };
}

export interface WatchMountsInput extends Step {
  readonly snapshotId: string;
  readonly directory: string;
}

/** Goes on until it is cancelled. @throws EverthawError MountLost, or what endangers the VM */
export function createWatchMounts(dependencies: Dependencies) {
  return async function watchMounts(input: WatchMountsInput): Promise<void> {
    const { vm, run, directory } = input;
    const own = dependencies.records.directoryOf('volumeMount', run);
    const host = await hostOf(dependencies, input);
    await keptAlive(
      watchWithMounts(dependencies, input, host),
      (signal) => until(async () => !(await isKeeperAlive(own)), signal, WATCH_MS),
      WATCH_MS,
    );
    cancellationSignal().throwIfAborted();
    throw await mountLost(own, vm, directory);
  };
}

/**
 * Sees that what was read up to now was whole: a file system whose disk is gone may show other files than are there, and no error.
 *
 * @throws EverthawError MountLost
 */
export function createCheckMounts(dependencies: Dependencies) {
  return async function checkMounts({ vm, run, directory }: WatchMountsInput): Promise<void> {
    const own = dependencies.records.directoryOf('volumeMount', run);
    const kept = await keptBy(own);
    const broken = kept === undefined ? undefined : await brokenMounts(own, kept);
    if (kept === undefined || broken !== undefined) throw await mountLost(own, vm, directory, broken);
  };
}

/** Why mounts are not whole; undefined where they are. @param own the keeper's directory */
export async function brokenMounts(own: string, { mounted }: KeptVolumes): Promise<string | undefined> {
  if (!(await isKeeperAlive(own))) return lastWords(own);
  return brokenLayer(
    own,
    mounted.map(({ directory }) => directory),
  );
}

/** @param own the keeper's directory */
export async function mountLost(
  own: string,
  { name }: VmRef,
  directory: string,
  why = '',
): Promise<EverthawError> {
  return new EverthawError({
    code: 'MountLost',
    what: `keep the volumes of "${name}" mounted at "${directory}"`,
    why: why || (await lastWords(own)) || 'what kept them mounted was killed, or the proxy was started anew',
    hint: 'what was read there meanwhile may not be whole: run it again',
  });
}
