import type { Command } from 'commander';
import { VM_SPEC_FORMS } from '../domain/vmSpecForms.js';
import type { ReadSettings } from './readSettings.js';
import { addRunFlags, addSeriesFlags, type RunFlags, type SeriesFlags } from './runFlags.js';
import { addSettingFlags } from './settingFlags.js';

export interface BackupFlags extends RunFlags, SeriesFlags {
  readonly to?: string;
  readonly installPath?: string;
}

export function addBackup(program: Command, readSettings: ReadSettings): void {
  const command = program
    .command('backup')
    .description('back up a VM, image-level, or each of many')
    .argument('<vm>', `${VM_SPEC_FORMS}, or a name`)
    .option('--to <directory>', 'the backup’s directory; its parent must exist')
    .option('--install-path <directory>', 'take what is not said here from its config/config.js')
    .addHelpText(
      'after',
      '\nExample:\n  everthaw backup name:db1 --root /backups --host vc.example.com --username backup --password-file pw --ca-file ca.pem',
    );
  addSettingFlags(
    command,
    ...(['root', 'transport', 'diskFormat', 'quiesce'] as const),
    ...(['snapshotPolicy', 'preexistingSnapshot', 'preexistingMountPoint'] as const),
  );
  addRunFlags(addSeriesFlags(command)).action(async (vm: string, flags: BackupFlags) => {
    const settings = await readSettings(flags, { installPath: flags.installPath });
    const { runBackups } = await import('./backupAll.js');
    await runBackups(settings, vm, flags);
  });
}
