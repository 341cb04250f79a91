import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { RESUME_SIGNAL, STOP_SIGNAL, vmWorkflowId } from '../domain/names.js';
import { STOPS_AFTER, type StopAfter } from '../domain/runs.js';
import { accessHost, findOneVm } from './hostAccess.js';
import { Output } from './output.js';
import type { ReadSettings } from './readSettings.js';
import { addHostFlags } from './settingFlags.js';
import { accessTemporal } from './temporalAccess.js';
import { oneOf } from './values.js';
import { watchRun } from './watchRun.js';

/** Commands on a run that is living, and on what VMs there are. */
export function addRunCommands(program: Command, readSettings: ReadSettings): void {
  addHostFlags(
    program
      .command('vms')
      .description('list the VMs that a spec names')
      .argument('<vm>')
      .option('--json', 'one JSON object a line', false),
  ).action(async (vmText: string, flags: { json: boolean }) => {
    const output = new Output(flags.json);
    const settings = await readSettings(flags);
    const { host } = await accessHost(settings);
    try {
      for (const vm of await host.findVms(parseVmSpec(vmText, settings.lookup))) {
        output.result(vm, [
          'Found VM:',
          `moref:${vm.moref}`,
          `name:${vm.name}`,
          `uuid:${vm.biosUuid}`,
          `ipaddr:${vm.ipAddress ?? ''}`,
        ]);
      }
    } finally {
      await host.logout();
    }
  });

  addHostFlags(
    program
      .command('watch')
      .description('follow the living run of a VM')
      .argument('<vm>')
      .option('--json', 'one JSON object a line', false),
  ).action(async (vmText: string, flags: { json: boolean }) => {
    const output = new Output(flags.json);
    const settings = await readSettings(flags);
    const { client } = await accessTemporal(settings);
    const handle = client.workflow.getHandle(await workflowIdFor(vmText, settings));
    const result: object = (await watchRun(handle, output)) as object;
    output.result(result, [JSON.stringify(result, undefined, 2)]);
    await client.connection.close();
  });

  addHostFlags(
    program
      .command('cancel')
      .description('cancel the living run of a VM: it lets go of everything and ends')
      .argument('<vm>')
      .option(
        '--after <what>',
        'disk: when the disks that are being moved are done; vm: when this VM is done, which is to start no other. At once if not given',
      ),
  ).action(async (vmText: string, flags: { after?: string }) => {
    const after = flags.after === undefined ? undefined : oneOf('--after', flags.after, STOPS_AFTER);
    await withRun(vmText, flags, 'cancel', (run) =>
      after === undefined ? run.cancel() : run.signal<[StopAfter]>(STOP_SIGNAL, after),
    );
    console.log(
      after === undefined
        ? 'cancelled; watch it let go with everthaw watch'
        : `told to stop after this ${after === 'vm' ? 'VM' : after}; follow it with everthaw watch`,
    );
  });

  addHostFlags(
    program
      .command('resume')
      .description('let a run go on that is held because its destination was full')
      .argument('<vm>'),
  ).action(async (vmText: string, flags: object) => {
    await withRun(vmText, flags, 'resume', (run) => run.signal(RESUME_SIGNAL));
    console.log('told to go on; follow it with everthaw watch');
  });

  /** Says something to the living run of a VM. @throws EverthawError RunNotFound */
  async function withRun(
    vmText: string,
    flags: object,
    verb: string,
    say: (run: WorkflowHandle) => Promise<unknown>,
  ): Promise<void> {
    const settings = await readSettings(flags);
    const { client } = await accessTemporal(settings);
    try {
      const run = client.workflow.getHandle(await workflowIdFor(vmText, settings));
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
}

async function workflowIdFor(vmText: string, settings: Settings): Promise<string> {
  if (vmText.startsWith('vm/')) return vmText;
  const { host } = await accessHost(settings);
  try {
    const vm = await findOneVm(host, parseVmSpec(vmText, settings.lookup));
    return vmWorkflowId(host.identity.uuid, vm.instanceUuid);
  } finally {
    await host.logout();
  }
}
