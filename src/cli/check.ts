import type { Command } from 'commander';
import type { ReadSettings } from './readSettings.js';
import { addHostFlags, addSettingFlags } from './settingFlags.js';

export interface CheckFlags {
  readonly to?: string;
  readonly restoring: boolean;
  readonly json: boolean;
}

/** `everthaw check`: what a person runs before the first backup. */
export function addCheck(program: Command, readSettings: ReadSettings): void {
  const command = program
    .command('check')
    .description('see whether VMs can be backed up from here, and what is in the way; nothing is changed')
    .argument('[vm...]', 'name:<name>, any:, powerstate:on, …; without one only the proxy and the host')
    .addHelpText(
      'after',
      '\nExample:\n  everthaw check name:db1 --root /backups --host vc.example.com --username backup',
    )
    .option('--to <directory>', 'the backup’s directory; its parent must exist')
    .option('--restoring', 'also whether the user may restore to where the VM is now', false)
    .option('--json', 'one JSON object a line', false);
  addSettingFlags(command, 'root', 'transport', 'quiesce', 'snapshotPolicy');
  addHostFlags(command).action(async (vms: readonly string[], flags: CheckFlags) => {
    const { runCheck } = await import('./runCheck.js');
    const config = program.opts<{ config?: string }>().config;
    await runCheck({ vms, flags, config, readSettings });
  });
}
