import {
  WorkflowExecutionAlreadyStartedError,
  type Client,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client';
import { EverthawError } from '../domain/errors.js';
import { vmWorkflowId, WORKFLOW_QUEUE } from '../domain/names.js';
import type {
  BackupRequest,
  BackupResult,
  FileBackupRequest,
  FileBackupResult,
  MountRequest,
  MountResult,
} from '../domain/runs.js';
import type { RestoreRequest, RestoreResult } from '../domain/restores.js';
import { keyword } from './searchAttributes.js';

export function startBackup(
  client: Client,
  request: BackupRequest,
): Promise<WorkflowHandleWithFirstExecutionRunId<() => Promise<BackupResult>>> {
  return start(client, 'backupVm', 'backup', request, `back up to ${request.directory}`);
}

export function startFileBackup(
  client: Client,
  request: FileBackupRequest,
): Promise<WorkflowHandleWithFirstExecutionRunId<() => Promise<FileBackupResult>>> {
  return start(client, 'backupFiles', 'files', request, `back up files to ${request.points}`);
}

export function startMount(
  client: Client,
  request: MountRequest,
): Promise<WorkflowHandleWithFirstExecutionRunId<() => Promise<MountResult>>> {
  return start(client, 'mountVm', 'mount', request, `mount at ${request.directory}`);
}

export function startRestore(
  client: Client,
  request: RestoreRequest,
): Promise<WorkflowHandleWithFirstExecutionRunId<() => Promise<RestoreResult>>> {
  return start(client, 'restoreVm', 'restore', request, `restore from ${request.directory}`);
}

/** Starts a run under its VM's id. @throws EverthawError VmInUse when one is living. */
async function start<T>(
  client: Client,
  type: string,
  kind: string,
  request: BackupRequest | FileBackupRequest | MountRequest | RestoreRequest,
  details: string,
): Promise<WorkflowHandleWithFirstExecutionRunId<() => Promise<T>>> {
  const { vm } = request;
  const workflowId = vmWorkflowId(vm.hostUuid, vm.instanceUuid);
  try {
    return await client.workflow.start(type, {
      workflowId,
      taskQueue: WORKFLOW_QUEUE,
      args: [request],
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `${kind} "${vm.name}"`,
      staticDetails: details,
      typedSearchAttributes: [
        ...[keyword('vm', vm.name), keyword('kind', kind), keyword('state', 'running')],
        keyword('proxy', request.proxy),
      ],
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const living = await client.workflow.getHandle(workflowId).describe();
    throw new EverthawError({
      code: 'VmInUse',
      what: `${kind} "${vm.name}"`,
      why: `a run works on this VM: ${living.type} ${workflowId}, started ${living.startTime.toISOString()}`,
      hint: 'wait for it (everthaw watch), or cancel it (everthaw cancel)',
    });
  }
}
