import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { VM_SPEC_FORMS } from '../domain/vmSpec.js';
import { STOPS_AFTER } from '../domain/runs.js';
import { addHostFlags, type HostFlags } from './hostFlags.js';
import { oneOf } from './values.js';

/** Commands on a run that is living, and on what VMs there are. */
export function addRunCommands(program: Command, settings: Settings): void {
  addHostFlags(
    program
      .command('vms')
      .description('list the VMs that a spec names')
      .argument('<spec>', VM_SPEC_FORMS)
      .option('--json', 'one JSON object a line', false),
  ).action(async (vm: string, flags: HostFlags & { json: boolean }) => {
    const { listVms } = await import('./listVms.js');
    await listVms(settings, vm, flags);
  });

  addHostFlags(
    program
      .command('watch')
      .description('follow the living run of a VM')
      .argument('<vm>')
      .option('--json', 'one JSON object a line', false),
  ).action(async (vm: string, flags: HostFlags & { json: boolean }) => {
    const { watch } = await import('./livingRun.js');
    await watch(settings, vm, flags);
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
  ).action(async (vm: string, flags: HostFlags & { after?: string }) => {
    const after = flags.after === undefined ? undefined : oneOf('--after', flags.after, STOPS_AFTER);
    const { cancel } = await import('./livingRun.js');
    await cancel(settings, vm, flags, after);
  });

  addHostFlags(
    program
      .command('resume')
      .description('let a run go on that is held because its destination was full')
      .argument('<vm>'),
  ).action(async (vm: string, flags: HostFlags) => {
    const { resume } = await import('./livingRun.js');
    await resume(settings, vm, flags);
  });
}
