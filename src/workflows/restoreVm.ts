import { workflowInfo } from '@temporalio/workflow';
import { formatBytes } from '../domain/format.js';
import type { RunRef } from '../domain/holding.js';
import { restoringName } from '../domain/names.js';
import type {
  MadeVm,
  RestorePlan,
  RestoreRequest,
  RestoreResult,
  Step,
  VerifiedBackup,
} from '../domain/runs.js';
import { Debts } from './debts.js';
import { RunReport } from './runReport.js';
import { settleHost } from './settleHost.js';
import { movingOnProxy, onHost, onProxy } from './steps.js';

/**
 * Restores a VM from a restore point (F12), as a saga: it is made under another name, marked as half restored, and takes its
 * place when it is whole. What it half made is removed when it fails; a VM that it replaces is untouched until then.
 */
export async function restoreVm(request: RestoreRequest): Promise<RestoreResult> {
  const { workflowId, firstExecutionRunId } = workflowInfo();
  const run = { workflowId, runId: firstExecutionRunId };
  const report = new RunReport(`Restore of "${request.vm.name}"`);
  const debts = new Debts();
  try {
    const result = await restore(request, run, debts, report);
    await debts.settle();
    report.end('succeeded');
    return result;
  } catch (error) {
    report.enter('undoing what was half made');
    await debts.settle();
    report.endWith(error);
    throw error;
  } finally {
    await settleHost(request);
  }
}

async function restore(
  request: RestoreRequest,
  run: RunRef,
  debts: Debts,
  report: RunReport,
): Promise<RestoreResult> {
  const { vm, proxy, retries, directory } = request;
  const step: Step = { run, vm, proxy, retries };
  const startedAt = Date.now();

  report.enter('verifying the backup');
  const backup = await movingOnProxy(proxy, directory).verifyBackup({ ...step, directory });
  report.note(`${formatBytes(backup.bytes)} verified`);
  debts.owe({ kind: 'loginSession', run, vm, proxy });
  report.enter('planning');
  const plan = await onProxy(proxy).planRestore({ ...step, request });

  report.enter('upload');
  const { made, uploadDirectory } = await makeVm(request, step, backup, plan, debts);
  report.note(`${formatBytes(made.bytes)} uploaded, VM ${made.moref} made`);
  report.enter('putting it in its place');
  const finished = await onProxy(proxy).finishRestore({
    ...step,
    request,
    plan,
    made,
    ...(uploadDirectory === undefined ? {} : { uploadDirectory }),
  });
  return {
    state: 'succeeded',
    name: vm.name,
    moref: made.moref,
    instanceUuid: finished.instanceUuid,
    bytes: made.bytes,
    durationMs: Date.now() - startedAt,
    warnings: [...plan.warnings, ...finished.warnings],
  };
}

/** Streams go by an import lease, flat disks by the datastore: each in the form it is kept in. */
async function makeVm(
  request: RestoreRequest,
  step: Step,
  backup: VerifiedBackup,
  plan: RestorePlan,
  debts: Debts,
): Promise<{ made: MadeVm; uploadDirectory?: string }> {
  const { vm, proxy, run } = step;
  const { place } = plan;
  if (backup.via === 'lease') {
    debts.owe({ kind: 'halfRestoredVm', run, vm, finalName: vm.name });
    debts.owe({ kind: 'importLease', run, vm, proxy });
    return { made: await movingOnProxy(proxy, 'all disks').importVm({ ...step, request, place }) };
  }
  const uploadDirectory = restoringName(vm.name, run.runId).replaceAll('/', '%2f');
  debts.owe({
    kind: 'uploadedFile',
    run,
    vm,
    directory: uploadDirectory,
    datacenter: place.datacenter,
    datastore: place.datastore,
  });
  const { bytes } = await movingOnProxy(proxy, 'all disks').uploadDisks({
    ...step,
    request,
    place,
    uploadDirectory,
  });
  debts.owe({ kind: 'halfRestoredVm', run, vm, finalName: vm.name });
  const { moref } = await onHost(vm.hostUuid).createVm({ ...step, request, place, uploadDirectory });
  return { made: { moref, bytes }, uploadDirectory };
}
