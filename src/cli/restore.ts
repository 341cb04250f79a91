import type { Command } from 'commander';
import type { ReadSettings } from './readSettings.js';
import { addRunFlags, type RunFlags } from './runFlags.js';

export interface RestoreFlags extends RunFlags {
  readonly name?: string;
  readonly overwrite: boolean;
  readonly powerOn: boolean;
  readonly storage?: string;
  readonly network?: string;
  readonly newAddresses: boolean;
}

export function addRestore(program: Command, readSettings: ReadSettings): void {
  const command = program
    .command('restore')
    .description('restore a VM from a backup directory')
    .argument('<directory>', 'the backup')
    .option('--name <name>', 'restore under another name, beside the original')
    .option('--overwrite', 'replace a powered-off VM of that name, once the new one is whole', false)
    .option('--power-on', 'power it on when it is whole', false)
    .option('--storage <place>', 'restore to this datastore or directory of the host, not the original’s')
    .option('--network <name>', 'libvirt: connect it to this network')
    .option('--new-addresses', 'libvirt: new MAC addresses, to run beside its original', false)
    .addHelpText(
      'after',
      '\nExample:\n  everthaw restore /backups/db1-fullVM --host vc.example.com --username backup --password-file pw --ca-file ca.pem',
    );
  addRunFlags(command).action(async (directory: string, flags: RestoreFlags) => {
    const settings = await readSettings(flags);
    const { runRestore } = await import('./runRestore.js');
    await runRestore(settings, directory, flags);
  });
}
