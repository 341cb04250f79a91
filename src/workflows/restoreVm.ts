import { formatBytes } from '../domain/format.js';
import { partialName, restoredDirectoryName } from '../domain/names.js';
import type { Step } from '../domain/runs.js';
import type { MadeVm, RestorePlan, RestoreRequest, RestoreResult } from '../domain/restores.js';
import type { Debts } from './debts.js';
import { heldRun, StoppedByOperator, type HeldRun } from './heldRun.js';
import { movingOnHost, movingOnProxy, onProxy } from './steps.js';

/**
 * Restores a VM from a restore point (F12), as a saga: it is made under another name, marked as half restored, and takes its
 * place when it is whole. What it half made is removed when it fails; a VM that it replaces is untouched until then.
 */
export function restoreVm(request: RestoreRequest): Promise<RestoreResult> {
  return heldRun(`Restore of "${request.vm.name}"`, request, (held) => restore(request, held));
}

async function restore(wanted: RestoreRequest, held: HeldRun): Promise<RestoreResult> {
  const { run, debts, report, operator } = held;
  const { vm, proxy, retries } = wanted;
  const step: Step = { run, vm, proxy, retries };
  const startedAt = Date.now();
  const directory = await broughtHere(wanted, step, held);
  const request: RestoreRequest = { ...wanted, directory };

  report.enter('verifying the backup');
  const backup = await movingOnProxy(proxy, directory).verifyBackup({ ...step, directory });
  report.note(`${formatBytes(backup.bytes)} verified`);
  debts.owe({ kind: 'loginSession', run, vm, proxy });
  report.enter('planning');
  const plan = await onProxy(proxy).planRestore({ ...step, request });

  report.enter('upload');
  const { made, uploadDirectory } = await makeVm(request, step, plan, debts);
  report.note(`${formatBytes(made.bytes)} uploaded, VM ${made.moref} made`);
  // All disks are one step here.
  if (operator.stopsAfterDisk) throw new StoppedByOperator('the disks were to be the last');
  report.enter('putting it in its place');
  if (plan.existing !== undefined) debts.owe({ kind: 'replacedVm', run, vm, proxy, finalName: vm.name });
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

/** Where the backup's files are on the proxy: where they were, or where they were fetched to, for as long as the run lasts. */
async function broughtHere(request: RestoreRequest, step: Step, { debts, report }: HeldRun): Promise<string> {
  const { directory, fetchInto } = request;
  if (fetchInto === undefined) return directory;
  const { run, vm, proxy } = step;
  const here = partialName(fetchInto, run.runId);
  debts.owe({ kind: 'partialDirectory', run, vm, proxy, directory: here });
  report.enter('fetching the backup');
  const bytes = await movingOnProxy(proxy, directory).fetchBackup({ ...step, directory, fetchInto });
  report.note(`${formatBytes(bytes)} fetched`);
  return here;
}

async function makeVm(
  request: RestoreRequest,
  step: Step,
  plan: RestorePlan,
  debts: Debts,
): Promise<{ made: MadeVm; uploadDirectory?: string }> {
  const { vm, proxy, run } = step;
  const { place } = plan;
  if (plan.way === 'import') {
    debts.owe({ kind: 'halfRestoredVm', run, vm, finalName: vm.name });
    debts.owe({ kind: 'importLease', run, vm, proxy });
    return { made: await movingOnProxy(proxy, 'all disks').importVm({ ...step, request, place }) };
  }
  const uploadDirectory = restoredDirectoryName(vm.name, run.runId);
  debts.owe({
    kind: 'uploadedFile',
    run,
    vm,
    directory: uploadDirectory,
    place,
  });
  const { bytes } = await movingOnProxy(proxy, 'all disks').uploadDisks({
    ...step,
    request,
    place,
    uploadDirectory,
  });
  debts.owe({ kind: 'halfRestoredVm', run, vm, finalName: vm.name });
  const { moref } = await movingOnHost(vm.hostUuid, vm.name).createVm({
    ...step,
    request,
    place,
    uploadDirectory,
  });
  return { made: { moref, bytes }, uploadDirectory };
}
