import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cancellationSignal } from '@temporalio/activity';
import { findTool } from '../checks/tools.js';
import { programOf } from '../domain/moduleChoice.js';
import { formatOwner } from '../domain/owner.js';
import type { FileBackupRequest, FilePreflightResult, SnapshotResult, Step } from '../domain/runs.js';
import { checkDestination, exists } from '../destinations/directory.js';
import { backUpFiles, type BackedUpFiles, type FileBackup } from '../integrations/backUpFiles.js';
import { moduleOf } from '../integrations/chosen.js';
import { finishFileBackup } from '../integrations/finishFileBackup.js';
import type { ModuleProgress, ModuleVolume } from '../integrations/module.js';
import { refuseWish } from '../integrations/refuseWish.js';
import { isKeeperAlive, keptBy } from '../mounts/keeper.js';
import type { KeptVolumes, MountedVolume } from '../mounts/keeperOrder.js';
import { until } from '../system/until.js';
import { fullOr } from './destinationFull.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { brokenMounts, mountLost, preflightVolumes, watchWithMounts } from './mount.js';
import { pulse } from './pulse.js';

const WATCH_MS = 1000;

export interface PreflightFilesInput extends Step {
  readonly request: FileBackupRequest;
}

/** As preflight, of files that a module is to carry. */
export function createPreflightFiles(dependencies: Dependencies) {
  return async function preflightFiles(input: PreflightFilesInput): Promise<FilePreflightResult> {
    const { request, run, vm } = input;
    const { module, kind, include, exclude, points } = request;
    const carrier = moduleOf(module);
    refuseWish({ module: carrier, kind, include, exclude });
    await findTool(programOf(module), `files of "${vm.name}"`, module.name !== 'command');
    await carrier.check?.({ include, exclude }, cancellationSignal());
    if (!(await exists(points))) await checkDestination(points);
    const found = await preflightVolumes(dependencies, input);
    return { ...found, mountsAt: join(dependencies.mounted, run.runId) };
  };
}

export interface MoveFilesInput extends Step {
  readonly request: FileBackupRequest;
  readonly snapshot: SnapshotResult;
  /** Of the restore point to be. */
  readonly directory: string;
  readonly pointName: string;
  readonly mountsAt: string;
}

/**
 * Has the module carry what is wanted of the mounted volumes into the partial directory. Every attempt begins anew. What a module read while a layer
 * of the mounts died is not called good, whatever it says.
 */
export function createMoveFiles(dependencies: Dependencies) {
  return async function moveFiles(input: MoveFilesInput): Promise<BackedUpFiles> {
    const { vm, run, directory, mountsAt, snapshot } = input;
    const own = dependencies.records.directoryOf('volumeMount', run);
    const kept = await keptBy(own);
    if (kept === undefined) throw await mountLost(own, vm, mountsAt);
    const host = await hostOf(dependencies, input);
    try {
      const order = await orderOf(dependencies, input, kept);
      return await keptAlive(
        watchWithMounts(dependencies, { ...input, snapshotId: snapshot.id }, host),
        (signal) => whileKept(own, kept, signal, (each) => backUpFiles(order, each, tell)),
        WATCH_MS,
      );
    } catch (error) {
      cancellationSignal().throwIfAborted();
      const broken = await brokenMounts(own, kept);
      throw broken === undefined ? fullOr(error, directory) : await mountLost(own, vm, mountsAt, broken);
    }
  };
}

/** With the partial directory made. */
async function orderOf(
  dependencies: Dependencies,
  input: MoveFilesInput,
  { mounted }: KeptVolumes,
): Promise<FileBackup> {
  const { vm, run, request, snapshot, directory, pointName, mountsAt } = input;
  const { module, kind, include, exclude, points } = request;
  const destination = await dependencies.destinations.at(directory);
  const partial = destination.partialOf(run.runId);
  const owner = await ownerOf(dependencies, { ...input, maximumAgeMs: request.maximumSnapshotAgeMs });
  await dependencies.records.write('partialDirectory', { owner, vmName: vm.name, id: partial.name });
  // Never with what is above it: a destination that is not mounted just now is no place for backups.
  await mkdir(points, { mode: 0o700 }).catch(async (error: unknown) => {
    if (!(await exists(points))) throw error;
  });
  if (!(await partial.exists())) await destination.check();
  await partial.make(formatOwner(owner));
  return {
    ...{ module: moduleOf(module), kind, include, exclude, points, pointName, partial: partial.name },
    ...{
      runId: run.runId,
      vm,
      path: mountsAt,
      volumes: mounted.map(moduleVolume),
      pointInTime: snapshot.takenAt,
    },
  };
}

function moduleVolume({ volume, directory }: MountedVolume): ModuleVolume {
  const { id, name, fileSystem, uuid, limits } = volume;
  return {
    ...{ id, directory },
    ...(name === undefined ? {} : { name }),
    ...(fileSystem === undefined ? {} : { fileSystem }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(limits === undefined ? {} : { limits }),
  };
}

function tell({ what, bytes }: ModuleProgress): void {
  pulse().progress({ what, bytes, totalBytes: 0 });
}

/** Runs `work`, which is stopped as soon as nobody keeps the mounts any more. @throws where nobody does at its end, too */
async function whileKept<T>(
  own: string,
  kept: KeptVolumes,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const done = new AbortController();
  const watching = until(async () => !(await isKeeperAlive(own)), done.signal, WATCH_MS).then(
    () => {
      lost.abort(new Error('the mounts were lost'));
    },
    () => undefined,
  );
  try {
    const result = await work(AbortSignal.any([signal, lost.signal]));
    if ((await brokenMounts(own, kept)) !== undefined) throw new Error('the mounts were lost');
    return result;
  } finally {
    done.abort();
    await watching;
  }
}

export interface FinishFilesInput extends Step {
  readonly request: FileBackupRequest;
  readonly snapshot: SnapshotResult;
  readonly directory: string;
  readonly moved: BackedUpFiles;
}

/** Writes the manifest, and makes the partial directory the restore point. */
export function createFinishFiles(dependencies: Dependencies) {
  return async function finishFiles(input: FinishFilesInput): Promise<void> {
    const { run, request, snapshot, directory, moved } = input;
    const host = await hostOf(dependencies, input);
    const { name, instanceUuid, biosUuid, powerState } = await host.describeVm(input.vm.instanceUuid);
    const destination = await dependencies.destinations.at(directory);
    try {
      await finishFileBackup(
        destination,
        {
          ...{ everthawVersion: dependencies.version, runId: run.runId, workflowId: run.workflowId },
          ...{ host: host.identity, vm: { name, instanceUuid, biosUuid, powerState } },
          ...{ pointInTime: snapshot.takenAt, consistency: snapshot.consistency },
          transport: request.transport,
        },
        moved,
      );
      await destination.disown();
    } catch (error) {
      throw fullOr(error, directory);
    }
  };
}
