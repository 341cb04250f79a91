import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Settings } from '../config/settings.js';
import type { VmRef } from '../domain/holding.js';
import { END_SIGNAL, vmWorkflowId } from '../domain/names.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { judgeAll, ofVm } from '../holdings/sweep.js';
import { clusterIdOf } from '../temporal/client.js';
import { askLiveness } from '../temporal/liveness.js';
import { servedEnd } from '../temporal/servedEnd.js';
import { findOneVm } from '../requests/findVms.js';
import { accessHost } from './accessHost.js';
import { showAndRelease } from './leftovers.js';
import { Output } from './output.js';
import { withSweepTools } from './sweepTools.js';
import { accessTemporal } from './temporalAccess.js';

/** `post-command`: lets go of a VM. Idempotent. @throws EverthawError WorkerMissing where nobody is there to end its run */
export async function letGoOfVm(settings: Settings, vmText: string, json: boolean): Promise<void> {
  const { host } = await accessHost(settings);
  const { instanceUuid } = await findOneVm(settings, host, parseVmSpec(vmText, settings.lookup)).finally(() =>
    host.logout(),
  );
  await endAndLetGo(settings, { hostUuid: host.identity.uuid, instanceUuid }, { endsRun: true, json });
}

/**
 * Ends a VM's living run if that is wanted, waits until it has let go, and lets go of what else is left of that VM.
 *
 * @throws EverthawError WorkerMissing where nobody is there to end the run
 */
export async function endAndLetGo(
  settings: Settings,
  { hostUuid, instanceUuid }: Pick<VmRef, 'hostUuid' | 'instanceUuid'>,
  { endsRun, json }: { readonly endsRun: boolean; readonly json: boolean },
): Promise<void> {
  const output = new Output(json);
  const { client } = await accessTemporal(settings);
  if (endsRun) await endRun(client, vmWorkflowId(hostUuid, instanceUuid), output);
  const { namespace } = settings.temporal;
  const rules = {
    cluster: await clusterIdOf(client),
    namespace,
    maximumAgeMs: settings.maximumSnapshotAgeMs,
  };
  await withSweepTools(settings, async (tools, silent) => {
    const all = await judgeAll(tools, (owner) => askLiveness(client, owner), rules);
    const { judged, troubles } = ofVm(all, instanceUuid);
    await showAndRelease({ judged, troubles: [...silent, ...troubles] }, tools, { yes: true }, output);
  });
  await client.connection.close();
}

async function endRun(client: Client, workflowId: string, output: Output): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    if ((await handle.describe()).status.name !== 'RUNNING') return;
    await handle.signal(END_SIGNAL);
  } catch (error) {
    // It never ran, or ended in this moment.
    if (error instanceof WorkflowNotFoundError) return;
    throw error;
  }
  output.say(`told ${workflowId} to end; waiting until it has let go`);
  await servedEnd(handle);
}
