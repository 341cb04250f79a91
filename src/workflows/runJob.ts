import { CancellationScope, CancelledFailure, continueAsNew, workflowInfo } from '@temporalio/workflow';
import {
  formatCounts,
  JOB_RETRIES,
  jobStateOf,
  MOST_NOTABLE,
  NO_COUNTS,
  type JobProgress,
  type JobRequest,
  type JobResult,
  type JobVm,
  type VmOutcome,
} from '../domain/jobs.js';
import { backUpVmOf } from './backUpVmOf.js';
import { notifyAll } from './notifyAll.js';
import { RunReport } from './runReport.js';
import { failureOf, onProxy } from './steps.js';

/** As many names and lines as its page shows. */
const MOST_SHOWN = 50;

/**
 * One run of a job (F8): finds its VMs, has each backed up by a run of its own, so many at once, and forgets what its rules do not keep. It
 * holds nothing itself: whatever ends it, the VMs' runs let go of what they took. What fails of one VM holds up no other.
 */
export async function runJob(request: JobRequest): Promise<JobResult> {
  const { job } = request;
  const report = new RunReport(`Job "${job.name}"`);
  const startedAt = request.going?.startedAt ?? Date.now();
  let progress: JobProgress;
  try {
    progress = await backUpAll(request, request.going ?? (await begin(request, startedAt, report)), report);
  } catch (error) {
    const isCancelled = CancellationScope.current().consideredCancelled;
    const failure = failureOf(error);
    if (!isCancelled && failure === undefined) throw error;
    const state = isCancelled ? 'cancelled' : 'failed';
    const reason = isCancelled ? 'it was cancelled before its VMs were known' : failure?.message;
    for (const line of await notifyAll(job, {
      ...NOTHING,
      state,
      startedAt,
      ...(reason === undefined ? {} : { reason }),
    }))
      report.note(line);
    report.end(state);
    throw error;
  }
  if (progress.next < progress.vms.length)
    await continueAsNew<typeof runJob>({ ...request, going: progress });
  const forgotten = await forget(request, progress, report);
  const { counts, notable } = progress;
  const state = jobStateOf(counts, CancellationScope.current().consideredCancelled);
  report.note(formatCounts(counts));
  report.enter('telling how it ended');
  const untold = await notifyAll(job, { state, counts, notable, startedAt });
  for (const line of untold) report.note(line);
  report.end(state);
  return { state, counts, notable, forgotten, untold, durationMs: Date.now() - startedAt };
}

const NOTHING = { counts: NO_COUNTS, notable: [] } as const;

async function begin({ job, only }: JobRequest, startedAt: number, report: RunReport): Promise<JobProgress> {
  report.enter('looking for VMs');
  const found = await onProxy(job.proxy).findJobVms({ job, retries: JOB_RETRIES });
  const isMeant = ({ instanceUuid }: JobVm): boolean => only?.includes(instanceUuid) ?? true;
  const leftOut = found.leftOut.filter(({ vm }) => isMeant(vm));
  const progress: JobProgress = {
    ...{ ...found, vms: found.vms.filter(isMeant), next: 0, startedAt },
    ...NOTHING,
  };
  return leftOut.reduce(withOutcome, progress);
}

/** Backs up VMs until all are done, or until the history is so long that another has to go on; then none is under way. */
async function backUpAll({ job }: JobRequest, begun: JobProgress, report: RunReport): Promise<JobProgress> {
  let progress = begun;
  const living = new Set<string>();
  const isCancelled = (): boolean => CancellationScope.current().consideredCancelled;
  const tell = (): void => {
    const { counts, next, vms } = progress;
    const names = [...living].slice(0, MOST_SHOWN).join(', ');
    const done = next - living.size;
    const now = living.size === 0 ? '' : `; now ${names}`;
    report.enter(`${done} of ${vms.length} VMs${done === 0 ? '' : `: ${formatCounts(counts)}`}${now}`);
  };
  const note = (outcome: VmOutcome): void => {
    progress = withOutcome(progress, outcome);
    if (outcome.reason !== undefined && progress.notable.length <= MOST_SHOWN)
      report.note(`${outcome.vm.name} ${outcome.state}: ${outcome.reason}`);
  };
  const work = async (): Promise<void> => {
    while (!isCancelled() && !workflowInfo().continueAsNewSuggested) {
      const vm = progress.vms[progress.next];
      if (vm === undefined) return;
      progress = { ...progress, next: progress.next + 1 };
      living.add(vm.name);
      tell();
      const outcome = await backUpVmOf(job, progress, vm);
      living.delete(vm.name);
      note(outcome);
      tell();
    }
  };
  await Promise.all(Array.from({ length: job.parallel }, work));
  if (isCancelled()) {
    for (const vm of progress.vms.slice(progress.next))
      note({ vm, state: 'cancelled', reason: 'the job was cancelled before its turn came' });
    progress = { ...progress, next: progress.vms.length };
  }
  return progress;
}

function withOutcome(progress: JobProgress, outcome: VmOutcome): JobProgress {
  const { counts, notable } = progress;
  return {
    ...progress,
    counts: { ...counts, [outcome.state]: counts[outcome.state] + 1 },
    notable:
      outcome.state === 'succeeded' || notable.length === MOST_NOTABLE ? notable : [...notable, outcome],
  };
}

/** Of VMs whose backup is good alone: after a failure nothing of a VM is forgotten. */
async function forget(
  { job }: JobRequest,
  { vms, notable, hostUuid }: JobProgress,
  report: RunReport,
): Promise<readonly string[]> {
  if (job.keep === undefined || CancellationScope.current().consideredCancelled) return [];
  if (notable.length === MOST_NOTABLE)
    return [`nothing is forgotten: more than ${MOST_NOTABLE} VMs did not plainly succeed`];
  const bad = new Set(notable.flatMap(({ vm, state }) => (state === 'warned' ? [] : [vm.instanceUuid])));
  const vmUuids = vms.map(({ instanceUuid }) => instanceUuid).filter((uuid) => !bad.has(uuid));
  if (vmUuids.length === 0) return [];
  report.enter('forgetting what no rule keeps');
  try {
    return await onProxy(job.proxy).forgetOld({ job, hostUuid, vmUuids, retries: JOB_RETRIES });
  } catch (error) {
    if (error instanceof CancelledFailure) return ['forgetting was cancelled'];
    // The backups are good: the next run forgets what this one could not.
    return [`forgetting failed: ${failureOf(error)?.message ?? String(error)}`];
  }
}
