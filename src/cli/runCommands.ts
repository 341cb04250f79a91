import { Option, type Command } from 'commander';
import { VM_SPEC_FORMS } from '../domain/vmSpecForms.js';
import { STOPS_AFTER } from '../domain/runs.js';
import type { ReadSettings } from './readSettings.js';
import { addHostFlags } from './settingFlags.js';
import { offering, oneOf } from './values.js';

/** Commands on a run that is living, and on what VMs there are. */
export function addRunCommands(program: Command, readSettings: ReadSettings): void {
  addHostFlags(
    program
      .command('vms')
      .description('list the VMs that a spec names')
      .argument('<spec>', VM_SPEC_FORMS)
      .addHelpText('after', '\nExamples:\n  everthaw vms any:\n  everthaw vms powerstate:on --json')
      .option('--json', 'one JSON object a line', false),
  ).action(async (vm: string, flags: { json: boolean }) => {
    const settings = await readSettings(flags);
    const { listVms } = await import('./listVms.js');
    await listVms(settings, vm, flags.json);
  });

  addHostFlags(
    program
      .command('watch')
      .description('follow the living run of a VM')
      .addHelpText('after', '\nExample:\n  everthaw watch name:db1')
      .argument('<vm>')
      .option('--json', 'one JSON object a line', false),
  ).action(async (vm: string, flags: { json: boolean }) => {
    const settings = await readSettings(flags);
    const { watch } = await import('./livingRun.js');
    await watch(settings, vm, flags);
  });

  addHostFlags(
    program
      .command('cancel')
      .description('cancel the living run of a VM: it lets go of everything and ends')
      .addHelpText(
        'after',
        '\nExamples:\n  everthaw cancel name:db1\n  everthaw cancel name:db1 --after disk',
      )
      .argument('<vm>')
      .addOption(
        offering(
          new Option(
            '--after <what>',
            'disk: when the disks that are being moved are done; vm: when this VM is done, which is to start no other. At once if not given',
          ),
          STOPS_AFTER,
        ),
      ),
  ).action(async (vm: string, flags: { after?: string }) => {
    const after = flags.after === undefined ? undefined : oneOf('--after', flags.after, STOPS_AFTER);
    const settings = await readSettings(flags);
    const { cancel } = await import('./livingRun.js');
    await cancel(settings, vm, after);
  });

  addHostFlags(
    program
      .command('resume')
      .description('let a run go on that is held because its destination was full')
      .addHelpText('after', '\nExample:\n  everthaw resume name:db1')
      .argument('<vm>'),
  ).action(async (vm: string, flags: object) => {
    const settings = await readSettings(flags);
    const { resume } = await import('./livingRun.js');
    await resume(settings, vm);
  });
}
