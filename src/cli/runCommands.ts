import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { vmWorkflowId } from '../domain/names.js';
import { accessHost, addHostFlags, findOneVm, type HostFlags } from './hostAccess.js';
import { Output } from './output.js';
import { accessTemporal } from './temporalAccess.js';
import { watchRun } from './watchRun.js';

/** Commands on a run that is living, and on what VMs there are. */
export function addRunCommands(program: Command, settings: Settings): void {
  addHostFlags(
    program
      .command('vms')
      .description('list the VMs that a spec names')
      .argument('<vm>')
      .option('--json', 'one JSON object a line', false),
  ).action(async (vmText: string, flags: HostFlags & { json: boolean }) => {
    const output = new Output(flags.json);
    const { host } = await accessHost(settings, flags);
    try {
      for (const vm of await host.findVms(parseVmSpec(vmText))) {
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
  ).action(async (vmText: string, flags: HostFlags & { json: boolean }) => {
    const output = new Output(flags.json);
    const { client } = await accessTemporal(settings);
    const handle = client.workflow.getHandle(await workflowIdFor(vmText, flags));
    const result: object = (await watchRun(handle, output)) as object;
    output.result(result, [JSON.stringify(result, undefined, 2)]);
    await client.connection.close();
  });

  addHostFlags(
    program
      .command('cancel')
      .description('cancel the living run of a VM: it lets go of everything and ends')
      .argument('<vm>'),
  ).action(async (vmText: string, flags: HostFlags) => {
    const { client } = await accessTemporal(settings);
    await client.workflow.getHandle(await workflowIdFor(vmText, flags)).cancel();
    console.log('cancelled; watch it let go with everthaw watch');
    await client.connection.close();
  });

  async function workflowIdFor(vmText: string, flags: HostFlags): Promise<string> {
    if (vmText.startsWith('vm/')) return vmText;
    const { host } = await accessHost(settings, flags);
    try {
      return vmWorkflowId(host.identity.uuid, (await findOneVm(host, parseVmSpec(vmText))).instanceUuid);
    } finally {
      await host.logout();
    }
  }
}
