import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { RESUME_SIGNAL, STOP_SIGNAL, vmWorkflowId } from '../domain/names.js';
import type { StopAfter } from '../domain/runs.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { findOneVm } from '../requests/findVms.js';
import { accessHost } from './accessHost.js';
import { LoneRun } from './loneRun.js';
import { Output } from './output.js';
import { accessTemporal } from './temporalAccess.js';
import { watchRun } from './watchRun.js';

/** Follows the living run of a VM to its end. */
export async function watch(
  settings: Settings,
  vmText: string,
  flags: { readonly json: boolean },
): Promise<void> {
  const output = new Output(flags.json);
  const { client } = await accessTemporal(settings);
  const handle = client.workflow.getHandle(await workflowIdFor(settings, vmText));
  const result: object = (await watchRun(handle, new LoneRun(handle, output))) as object;
  output.result(result, [JSON.stringify(result, undefined, 2)]);
  await client.connection.close();
}

/** Ends the living run of a VM, at once or after what is being done. @throws EverthawError RunNotFound */
export async function cancel(
  settings: Settings,
  vmText: string,
  after: StopAfter | undefined,
): Promise<void> {
  await withRun(settings, vmText, 'cancel', (run) =>
    after === undefined ? run.cancel() : run.signal<[StopAfter]>(STOP_SIGNAL, after),
  );
  console.log(
    after === undefined
      ? 'cancelled; watch it let go with everthaw watch'
      : `told to stop after this ${after === 'vm' ? 'VM' : after}; follow it with everthaw watch`,
  );
}

/** Lets a run go on that is held. @throws EverthawError RunNotFound */
export async function resume(settings: Settings, vmText: string): Promise<void> {
  await withRun(settings, vmText, 'resume', (run) => run.signal(RESUME_SIGNAL));
  console.log('told to go on; follow it with everthaw watch');
}

/** Says something to the living run of a VM. @throws EverthawError RunNotFound */
async function withRun(
  settings: Settings,
  vmText: string,
  verb: string,
  say: (run: WorkflowHandle) => Promise<unknown>,
): Promise<void> {
  const { client } = await accessTemporal(settings);
  try {
    const run = client.workflow.getHandle(await workflowIdFor(settings, vmText));
    const { status } = await run.describe().catch((error: unknown) => {
      if (error instanceof WorkflowNotFoundError) return { status: undefined };
      throw error;
    });
    if (status?.name !== 'RUNNING') {
      throw new EverthawError({
        code: 'RunNotFound',
        what: `${verb} the run of "${vmText}"`,
        why: 'no run of this VM is living',
        hint: 'see which are with everthaw status',
      });
    }
    await say(run);
  } finally {
    await client.connection.close();
  }
}

async function workflowIdFor(settings: Settings, vmText: string): Promise<string> {
  if (vmText.startsWith('vm/')) return vmText;
  const { host } = await accessHost(settings);
  try {
    const vm = await findOneVm(settings, host, parseVmSpec(vmText, settings.lookup));
    return vmWorkflowId(host.identity.uuid, vm.instanceUuid);
  } finally {
    await host.logout();
  }
}
