import { resolve } from 'node:path';
import {
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import type { Settings } from '../config/settings.js';
import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import { fileNameOf } from '../domain/fileName.js';
import { EXPORTED_UPDATE, vmWorkflowId } from '../domain/names.js';
import type { BackupRequest, StagedExport } from '../domain/runs.js';
import { printable } from '../domain/printable.js';
import { isScpUrl, scpUrlBelow } from '../domain/scpUrl.js';
import type { VmSummary } from '../domain/vm.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { startBackup, startMount } from '../temporal/runs.js';
import type { HostAccess } from '../requests/hostAccess.js';
import { LoneRun } from './loneRun.js';
import { Output } from './output.js';
import { backupRequest, mountRequest } from '../requests/backupRequest.js';
import { findVm } from './runBackup.js';
import { startLent } from './startAndFollow.js';
import { accessTemporal } from './temporalAccess.js';
import { watchRunUntil } from './watchRun.js';

/** What of a VM other software is given: its whole disks, or the files in its volumes. */
export type HandedOver = 'image' | 'file';

export interface HandOverFlags {
  readonly kind: HandedOver;
  /** Where; below BACKUPROOT if not given. */
  readonly directory?: string;
  readonly json: boolean;
  /** Return as soon as the run is started. */
  readonly detach?: boolean;
}

/**
 * The part before other software's job (F11): exports a VM, or mounts its volumes, and returns when all of it stands. The run goes on,
 * and waits for `post-command`. Idempotent: where such a run is living, it is waited for.
 */
export async function handOver(
  settings: Settings,
  vmText: string,
  { kind, directory = directoryFor(settings, vmText, kind), json, detach = false }: HandOverFlags,
): Promise<void> {
  if (isScpUrl(directory)) throw notHere(vmText, directory, kind);
  const { access, vm } = await findVm(settings, vmText);
  const { client } = await accessTemporal(settings);
  try {
    const handle = await startOrJoin(settings, access, client, vm, resolve(directory), kind);
    if (detach) new Output(json).say(`started as ${handle.workflowId}`);
    else await tellStanding(client, handle, vm, json);
  } finally {
    await client.connection.close();
  }
}

async function tellStanding(
  client: Client,
  handle: WorkflowHandle,
  vm: VmSummary,
  json: boolean,
): Promise<void> {
  // A program reads one line of what this one says: where its files are.
  const beside = new Output(json, 'beside');
  const asked = new AbortController();
  const standing = client.connection.withAbortSignal(asked.signal, () => untilItStands(handle, vm));
  const exported = await watchRunUntil(handle, standing, new LoneRun(handle, beside));
  // A question whose answer nobody wants any more would keep this program until the server gives up on it: 20 s.
  asked.abort();
  new Output(json).result(exported, [exported.directory]);
  for (const { name, directory } of exported.volumes ?? []) beside.say(printable(`${name} at ${directory}`));
  for (const note of exported.notes ?? []) beside.say(printable(`note: ${note}`));
}

/** Named after what the VM was asked for by (F6a). */
function directoryFor({ backup: { root }, lookup }: Settings, vmText: string, kind: HandedOver): string {
  const name = fileNameOf(parseVmSpec(vmText, lookup).value);
  const below = kind === 'image' ? `${name}-fullVM` : name;
  if (root !== undefined) return isScpUrl(root) ? scpUrlBelow(root, below) : resolve(root, below);
  throw new EverthawError({
    code: 'WrongUsage',
    what: whatOf(vmText, kind),
    why: 'BACKUPROOT is not given',
    hint: 'name it in config/config.js below the install path, or give --root',
  });
}

function whatOf(vmText: string, kind: HandedOver): string {
  return `${kind === 'image' ? 'export' : 'mount the volumes of'} "${vmText}"`;
}

function notHere(vmText: string, directory: string, kind: HandedOver): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: `${whatOf(vmText, kind)} to "${directory}"`,
    why: 'it is on another machine, and other software reads what stands on this one',
    hint: 'name a directory of this machine',
  });
}

async function startOrJoin(
  settings: Settings,
  access: HostAccess,
  client: Client,
  vm: VmSummary,
  directory: string,
  kind: HandedOver,
): Promise<WorkflowHandle> {
  try {
    if (kind === 'file')
      return await startLent(
        settings,
        access,
        client,
        mountRequest(settings, access, vm, directory),
        startMount,
      );
    const request = { ...backupRequest(settings, access, vm, directory), handover: true as const };
    return await startLent(settings, access, client, request, startBackup);
  } catch (error) {
    if (!isErrorWithCode(error, 'VmInUse')) throw error;
    const id = vmWorkflowId(access.host.identity.uuid, vm.instanceUuid);
    const living = client.workflow.getHandle(id);
    if (await isSuch(living, directory, kind)) return living;
    throw error;
  }
}

const WORKFLOW_TYPES: Readonly<Record<HandedOver, string>> = { image: 'backupVm', file: 'mountVm' };

/** Whether the living run makes this very thing. */
async function isSuch(living: WorkflowHandle, directory: string, kind: HandedOver): Promise<boolean> {
  const { events } = await living.fetchHistory();
  const started = events?.[0]?.workflowExecutionStartedEventAttributes;
  const data = started?.input?.payloads?.[0]?.data;
  if (data == null || started?.workflowType?.name !== WORKFLOW_TYPES[kind]) return false;
  const request = JSON.parse(Buffer.from(data).toString()) as Partial<BackupRequest>;
  return request.handover === true && request.directory === directory;
}

/** Waits until the export stands. @throws what the run failed with, where it ended before */
async function untilItStands(handle: WorkflowHandle, { name }: VmSummary): Promise<StagedExport> {
  const ended = handle.result() as Promise<unknown>;
  // Nobody waits for it any more once the export stands.
  ended.catch(() => undefined);
  const exported = handle.executeUpdate<StagedExport, []>(EXPORTED_UPDATE).catch((error: unknown) => {
    // The run ended, and says better why.
    if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowNotFoundError)
      return undefined;
    throw error;
  });
  const standsFirst = await Promise.race([exported, ended.then(() => undefined)]);
  if (standsFirst !== undefined) return standsFirst;
  await ended;
  throw new EverthawError({
    code: 'Cancelled',
    what: `hand over "${name}"`,
    why: 'its run was ended before all of it stood',
    hint: 'start it again when you like',
  });
}
