import { Option, type Command } from 'commander';
import type { ReadSettings } from './readSettings.js';
import { addRunFlags, type RunFlags } from './runFlags.js';
import { addSettingFlags } from './settingFlags.js';
import { offering } from './values.js';

/** `-b` of vcbRestore (F12): what is done with a VM of that name, or with files where its disks would be. */
export const EXISTING = ['prompt', 'overwrite', 'keep', 'abort'] as const;

export interface RestoreFlags extends RunFlags {
  readonly catalog?: string;
  readonly existing: string;
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
    .argument('<backup>', 'its directory, or scp://user@host:/path')
    .option('--name <name>', 'restore under another name, beside the original')
    .option(
      '--catalog <file>',
      'an edited copy of the backup’s catalog: other datastores, folder, pool, host',
    )
    .addOption(
      offering(
        new Option(
          '--existing <what>',
          'what is done with a VM of that name, or files where its disks would be; prompt without a terminal: abort',
        ).default('prompt'),
        EXISTING,
      ),
    )
    .option(
      '--overwrite',
      'as --existing overwrite: replace a powered-off VM, once the new one is whole',
      false,
    )
    .option('--power-on', 'power it on when it is whole', false)
    .option('--storage <place>', 'restore to this datastore or directory of the host, not the original’s')
    .option('--network <name>', 'libvirt: connect it to this network')
    .option('--new-addresses', 'libvirt: new MAC addresses, to run beside its original', false)
    .addHelpText(
      'after',
      '\nExample:\n  everthaw restore /backups/db1-fullVM --host vc.example.com --username backup --password-file pw --ca-file ca.pem',
    );
  addRunFlags(addPlaceDefaults(command)).action(async (directory: string, flags: RestoreFlags) => {
    const settings = await readSettings(flags);
    const { runRestore } = await import('./runRestore.js');
    await runRestore(settings, directory, flags);
  });
}

/** Places for what a catalog lacks (F4). */
export function addPlaceDefaults(command: Command): Command {
  return addSettingFlags(command, 'restoreDatastore', 'restoreHost', 'restoreResourcePool', 'restoreFolder');
}
