import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  ChildWorkflowFailure,
  isCancellation,
  startChild,
  TerminatedFailure,
  uuid4,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import { fileNameOf } from '../domain/fileName.js';
import { filePointName, filePointsName } from '../domain/filePoints.js';
import {
  JOB_RETRIES,
  type FoundVms,
  type JobDefinition,
  type JobVm,
  type VmOutcome,
} from '../domain/jobs.js';
import { proxyQueue, vmWorkflowId } from '../domain/names.js';
import type { BackupRequest, BackupResult, FileBackupRequest, FileBackupResult } from '../domain/runs.js';
import { isScpUrl, scpUrlBelow } from '../domain/scpUrl.js';
import { childOptions } from './children.js';
import { cleaningOn, failureOf, onProxy } from './steps.js';

const LONGEST_REASON = 400;

/** Backs up one VM of a job by a run of its own. Never throws: what became of it is what is wanted. */
export async function backUpVmOf(job: JobDefinition, found: FoundVms, vm: JobVm): Promise<VmOutcome> {
  try {
    const { warnings } = await (await start(job, found, vm)).result();
    return warnings.length === 0
      ? { vm, state: 'succeeded' }
      : { vm, state: 'warned', reason: short(warnings.join('; ')) };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError)
      return { vm, state: 'skipped', reason: 'another run works on this VM' };
    if (isCancellation(error)) return { vm, state: 'cancelled', reason: 'it was cancelled' };
    return { vm, state: 'failed', reason: short(reasonOf(error)) };
  }
}

/** The host is lent to the run before it is there; where it does not come to be, the loan is given back here. */
async function start(
  job: JobDefinition,
  found: FoundVms,
  vm: JobVm,
): Promise<ChildWorkflowHandle<() => Promise<BackupResult | FileBackupResult>>> {
  const { hostUuid } = found;
  const loan = uuid4();
  try {
    await onProxy(job.proxy, vm.name).lendHost({ job, hostUuid, vm, loan, retries: JOB_RETRIES });
    const { type, kind, request } = orderOf(found, vm, loan);
    return await startChild<() => Promise<BackupResult | FileBackupResult>>(type, {
      ...childOptions(job, kind, `${kind} "${vm.name}" by job "${job.name}"`, vm.name),
      workflowId: vmWorkflowId(hostUuid, vm.instanceUuid),
      args: [request] as never,
    });
  } catch (error) {
    await CancellationScope.nonCancellable(() =>
      cleaningOn(proxyQueue(job.proxy), 'no run was started').settle({
        ...{ hostUuid, loan, proxy: job.proxy, retries: 'until gone' },
      }),
    );
    throw error;
  }
}

function orderOf(
  { hostUuid, template }: FoundVms,
  { instanceUuid, name }: JobVm,
  loan: string,
): { readonly type: string; readonly kind: string; readonly request: BackupRequest | FileBackupRequest } {
  const ofVm = { vm: { hostUuid, instanceUuid, name }, loan };
  const { root } = template;
  if (template.via === 'files') {
    const points = below(root, filePointsName(name));
    return { type: 'backupFiles', kind: 'files', request: { ...template.request, ...ofVm, points } };
  }
  const directory = below(root, `${fileNameOf(name)}-fullVM-${filePointName(new Date())}`);
  return { type: 'backupVm', kind: 'backup', request: { ...template.request, ...ofVm, directory } };
}

function below(root: string, name: string): string {
  return isScpUrl(root) ? scpUrlBelow(root, name) : `${root}/${name}`;
}

function reasonOf(error: unknown): string {
  const failure = failureOf(error);
  if (failure !== undefined) return failure.message;
  let at = error;
  if (at instanceof ChildWorkflowFailure && at.cause instanceof TerminatedFailure)
    return 'its run was terminated; what it held is let go by the next sweep';
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}

function short(text: string): string {
  return text.length > LONGEST_REASON ? `${text.slice(0, LONGEST_REASON)}…` : text;
}
