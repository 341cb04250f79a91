import type { FoundVms, JobDefinition, JobVm } from '../domain/jobs.js';
import { vmWorkflowId } from '../domain/names.js';
import type { Notification } from '../domain/notification.js';
import type { OwnerRecord } from '../domain/owner.js';
import type { Step } from '../domain/runs.js';
import { ownerAt, type Dependencies } from './dependencies.js';

/** What a job's steps need of the proxy's settings; src/requests has it. */
export interface JobTools {
  /** Looks up its VMs, and what the settings make of it. */
  find(job: JobDefinition): Promise<FoundVms>;
  /** Puts the job's host into the register for a run to be. */
  lend(job: JobDefinition, hostUuid: string, loan: string, borrower: OwnerRecord): Promise<void>;
  /** How the job's last run that is closed ended; undefined where there was none. */
  lastState(job: JobDefinition): Promise<string | undefined>;
  /** Tells one of the proxy's channels. */
  notify(job: JobDefinition, to: string, notification: Notification): Promise<void>;
  /** Removes of these VMs what the job's rules do not keep. @returns lines that say what went, and what could not */
  forget(job: JobDefinition, hostUuid: string, vmUuids: readonly string[]): Promise<readonly string[]>;
}

export interface JobStep {
  readonly job: JobDefinition;
  readonly retries: Step['retries'];
}

export function createFindJobVms(tools: JobTools) {
  return async function findJobVms({ job }: JobStep): Promise<FoundVms> {
    return tools.find(job);
  };
}

export function createLastJobState(tools: JobTools) {
  /** Null where there was none: nothing is no JSON. */
  return async function lastJobState({ job }: JobStep): Promise<string | null> {
    return (await tools.lastState(job)) ?? null;
  };
}

export interface NotifyInput extends JobStep {
  readonly to: string;
  readonly notification: Notification;
}

export function createNotify(tools: JobTools) {
  return async function notify({ job, to, notification }: NotifyInput): Promise<void> {
    await tools.notify(job, to, notification);
  };
}

export interface LendHostInput extends JobStep {
  readonly hostUuid: string;
  readonly vm: JobVm;
  readonly loan: string;
}

export function createLendHost(dependencies: Dependencies, tools: JobTools) {
  return async function lendHost({ job, hostUuid, vm, loan }: LendHostInput): Promise<void> {
    const { instanceUuid } = vm;
    // Its id comes with its first step.
    const run = { workflowId: vmWorkflowId(hostUuid, instanceUuid), runId: '' };
    const borrower = ownerAt(dependencies, { run, vm: { ...vm, hostUuid } }, new Date());
    await tools.lend(job, hostUuid, loan, borrower);
  };
}

export interface ForgetOldInput extends JobStep {
  readonly hostUuid: string;
  readonly vmUuids: readonly string[];
}

/** A history is no place for long lists. */
const MOST_LINES = 200;

export function createForgetOld(tools: JobTools) {
  return async function forgetOld(input: ForgetOldInput): Promise<readonly string[]> {
    const lines = await tools.forget(input.job, input.hostUuid, input.vmUuids);
    if (lines.length <= MOST_LINES) return lines;
    return [...lines.slice(0, MOST_LINES), `and ${lines.length - MOST_LINES} more`];
  };
}
