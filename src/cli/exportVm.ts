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
import { isScpUrl } from '../domain/scpUrl.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { startBackup } from '../temporal/runs.js';
import { filesNotBuilt } from './filesNotBuilt.js';
import { LoneRun } from './loneRun.js';
import { Output } from './output.js';
import { backupRequest, findVm } from './runBackup.js';
import { startLent } from './startAndFollow.js';
import { accessTemporal } from './temporalAccess.js';
import { watchRunUntil } from './watchRun.js';

/**
 * The part before other software's job (F11): exports a VM below BACKUPROOT, and returns when all of it stands. The run goes on,
 * and waits for `post-command`. Idempotent: where such a run is living, it is waited for.
 */
export async function exportVm(
  settings: Settings,
  vmText: string,
  kind: 'image' | 'file',
  json: boolean,
): Promise<void> {
  if (kind === 'file')
    throw filesNotBuilt(vmText, 'export its whole disks: pre-command <install path> <vm> image');
  const directory = directoryFor(settings, vmText);
  const { access, vm } = await findVm(settings, vmText);
  const { client } = await accessTemporal(settings);
  const request = { ...backupRequest(settings, access, vm, directory), handover: true as const };
  const handle = await startOrJoin(settings, access, client, request);
  // A program reads one line of what this one says: where its files are.
  const asked = new AbortController();
  const standing = client.connection.withAbortSignal(asked.signal, () => untilItStands(handle, request));
  const exported = await watchRunUntil(handle, standing, new LoneRun(handle, new Output(json, 'beside')));
  // A question whose answer nobody wants any more would keep this program until the server gives up on it: 20 s.
  asked.abort();
  new Output(json).result(exported, [exported.directory]);
  await client.connection.close();
}

/** Named after what the VM was asked for by (F6a). */
function directoryFor({ backup: { root }, lookup }: Settings, vmText: string): string {
  if (root !== undefined && isScpUrl(root)) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `export "${vmText}" to "${root}"`,
      why: 'it is on another machine, and other software reads what stands on this one',
      hint: 'name a directory of this machine as BACKUPROOT',
    });
  }
  if (root !== undefined) return resolve(root, `${fileNameOf(parseVmSpec(vmText, lookup).value)}-fullVM`);
  throw new EverthawError({
    code: 'WrongUsage',
    what: `export "${vmText}"`,
    why: 'BACKUPROOT is not given',
    hint: 'name it in config/config.js below the install path',
  });
}

async function startOrJoin(
  settings: Settings,
  access: Parameters<typeof startLent>[1],
  client: Client,
  request: BackupRequest,
): Promise<WorkflowHandle> {
  try {
    return await startLent(settings, access, client, request, startBackup);
  } catch (error) {
    if (!isErrorWithCode(error, 'VmInUse')) throw error;
    const living = client.workflow.getHandle(vmWorkflowId(request.vm.hostUuid, request.vm.instanceUuid));
    if (await isSuch(living, request)) return living;
    throw error;
  }
}

/** Whether the living run makes this very export. */
async function isSuch(living: WorkflowHandle, { directory }: BackupRequest): Promise<boolean> {
  const { events } = await living.fetchHistory();
  const [payload] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  if (payload?.data == null) return false;
  const request = JSON.parse(Buffer.from(payload.data).toString()) as Partial<BackupRequest>;
  return request.handover === true && request.directory === directory;
}

/** Waits until the export stands. @throws what the run failed with, where it ended before */
async function untilItStands(handle: WorkflowHandle, request: BackupRequest): Promise<StagedExport> {
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
    what: `export "${request.vm.name}"`,
    why: 'its run was ended before the export stood',
    hint: 'start it again when you like',
  });
}
