import { Option, type Command } from 'commander';
import { FILE_KINDS } from '../domain/fileManifest.js';
import { MODULE_NAMES } from '../domain/moduleChoice.js';
import { VM_SPEC_FORMS } from '../domain/vmSpecForms.js';
import type { ReadSettings } from './readSettings.js';
import { addRunFlags, addSeriesFlags, type RunFlags, type SeriesFlags } from './runFlags.js';
import { addRepositoryFlags, addSettingFlags } from './settingFlags.js';
import { offering } from './values.js';

export interface BackupFilesFlags extends RunFlags, SeriesFlags {
  readonly kind: string;
  readonly module: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly installPath?: string;
}

/** `everthaw files backup` (F6). */
export function addBackupFiles(files: Command, readSettings: ReadSettings): void {
  const each = (text: string, before: readonly string[]): readonly string[] => [...before, text];
  const command = files
    .command('backup')
    .description('back up files of a VM’s volumes, or of each of many VMs, to <root>/<vm>-files')
    .argument('<vm>', `${VM_SPEC_FORMS}, or a name`)
    .argument('[words...]', 'of --module command, behind --: a program, and what it is told')
    .addOption(
      offering(
        new Option(
          '--kind <kind>',
          'full; differential: what changed since the last full one; incremental: since the last of any kind',
        ).default('full'),
        FILE_KINDS,
      ),
    )
    .addOption(
      offering(
        new Option(
          '--module <name>',
          'tar: archives of GNU tar; restic: snapshots in a repository of restic’s; rclone: copies in any place that rclone reaches; command: any program',
        ).default('tar'),
        MODULE_NAMES,
      ),
    )
    .option(
      '--include <path>',
      'as the guest has it, again and again: D:\\Data, /srv (default: all)',
      each,
      [],
    )
    .option('--exclude <pattern>', 'a path, or a name that may be anywhere: D:\\Temp, *.tmp', each, [])
    .option('--install-path <directory>', 'take what is not said here from its config/config.js')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  everthaw files backup name:db1 --root /backups --kind incremental --include /srv --exclude "*.tmp"',
        '  everthaw files backup name:db1 --root /backups --kind incremental --module restic --restic-repository /mnt/restic',
        '  everthaw files backup name:db1 --root /backups --module command -- rsync -a {path}/ /mirror/{vm}/',
      ].join('\n'),
    );
  addSettingFlags(
    command,
    ...(['root', 'transport', 'quiesce'] as const),
    ...(['snapshotPolicy', 'preexistingSnapshot', 'preexistingMountPoint'] as const),
  );
  addRepositoryFlags(command);
  addRunFlags(addSeriesFlags(command)).action(
    async (vm: string, words: readonly string[], flags: BackupFilesFlags) => {
      const { kind, module, include, exclude, installPath, ...settingFlags } = flags;
      const settings = await readSettings(settingFlags, { installPath });
      const { runFileBackups } = await import('./runFileBackup.js');
      await runFileBackups(settings, vm, { kind, module, words, include, exclude }, flags);
    },
  );
}
