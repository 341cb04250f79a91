import type { Client, WorkflowHandle, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { Settings } from '../config/settings.js';
import type { BackupRequest } from '../domain/runs.js';
import { clusterIdOf } from '../temporal/client.js';
import { machineIdentity } from '../system/machine.js';
import { vmWorkflowId } from '../domain/names.js';
import type { OwnerRecord } from '../domain/owner.js';
import { startWithLoan, type HostAccess } from '../requests/hostAccess.js';
import { LoneRun } from './loneRun.js';
import { Output } from './output.js';
import type { RunFlags } from './runFlags.js';
import { accessTemporal } from './temporalAccess.js';
import type { Watch } from './watch.js';
import { watchRun } from './watchRun.js';

export interface RunToStart<Request, Result> {
  readonly request: Request;
  /** `backup of "db1" to /backups/db1-fullVM` */
  readonly title: string;
  readonly start: (
    client: Client,
    request: Request,
  ) => Promise<WorkflowHandleWithFirstExecutionRunId<() => Promise<Result>>>;
  readonly describe: (result: Result) => readonly string[];
}

/** Who follows a run from the moment in which it is started, and says what is of it. */
export interface Follower {
  readonly output: Output;
  readonly watch: (handle: WorkflowHandle) => Watch;
}

/** Starts a run and follows it to its end, unless it is to be left alone. */
export async function startAndFollow<
  Request extends Pick<BackupRequest, 'loan' | 'vm'>,
  Result extends object,
>(
  settings: Settings,
  flags: RunFlags,
  access: HostAccess,
  { request, title, start, describe }: RunToStart<Request, Result>,
  { output, watch }: Follower = followerOfOne(flags),
): Promise<void> {
  const { client } = await accessTemporal(settings);
  try {
    const handle = await startLent(settings, access, client, request, start);
    output.say(`${title} started as ${handle.workflowId}`);
    if (flags.detach) return;
    const result = await watchRun(handle, watch(handle));
    output.result(result, describe(result));
  } finally {
    await client.connection.close();
  }
}

function followerOfOne({ json }: RunFlags): Follower {
  const output = new Output(json);
  return { output, watch: (handle) => new LoneRun(handle, output) };
}

/** Starts a run that the host is lent to. @throws EverthawError VmInUse */
export async function startLent<Request extends Pick<BackupRequest, 'loan' | 'vm'>, Result>(
  settings: Settings,
  access: HostAccess,
  client: Client,
  request: Request,
  start: RunToStart<Request, Result>['start'],
): ReturnType<RunToStart<Request, Result>['start']> {
  const borrower = await borrowerOf(settings, await clusterIdOf(client), request);
  return startWithLoan(settings, access, { loan: request.loan, borrower }, () => start(client, request));
}

/** Who borrows a host for a run that is not started yet: its id comes with its first step. */
async function borrowerOf(
  { proxy, temporal }: Settings,
  cluster: string,
  { vm }: Pick<BackupRequest, 'vm'>,
): Promise<OwnerRecord> {
  return {
    version: 1,
    cluster,
    namespace: temporal.namespace,
    workflowId: vmWorkflowId(vm.hostUuid, vm.instanceUuid),
    runId: '',
    hostUuid: vm.hostUuid,
    vmUuid: vm.instanceUuid,
    proxy,
    ...(await machineIdentity()),
    takenAt: new Date().toISOString(),
  };
}
