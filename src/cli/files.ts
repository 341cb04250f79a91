import type { Command } from 'commander';
import { addBackupFiles } from './backupFiles.js';
import type { ReadSettings } from './readSettings.js';
import { addRepositoryFlags } from './settingFlags.js';

/** Files: of a VM's volumes, and of a backup. To read them, settings say where the state directory is, and how a repository is reached. */
export function addFiles(program: Command, readSettings: ReadSettings): void {
  const files = program
    .command('files')
    .description('back up files of a VM; look into a backup of any kind, and copy files out of it')
    .addHelpText('after', '\nExample:\n  everthaw files ls /backups/db1-fullVM');
  addBackupFiles(files, readSettings);

  const ls = files
    .command('ls')
    .description('list a backup’s volumes, or what is in a directory on one')
    .argument('<backup>', 'its directory')
    .argument('[path]', 'as the guest has it, or below a volume: C:\\Data, /srv/data, scsi0:0/2/data')
    .option('--json', 'one JSON object a line', false)
    .addHelpText(
      'after',
      '\nExamples:\n  everthaw files ls /backups/db1-fullVM\n  everthaw files ls /backups/db1-fullVM /etc',
    );
  addRepositoryFlags(ls).action(
    async (backup: string, path: string | undefined, { json, ...flags }: { json: boolean }) => {
      const { listVolumes, listDirectory } = await import('./listFiles.js');
      const settings = await readSettings(flags);
      if (path === undefined) await listVolumes(settings, backup, json);
      else await listDirectory(settings, backup, path, json);
    },
  );

  const get = files
    .command('get')
    .description('copy files and directories out of a backup; exit code 3 if some could not be')
    .argument('<backup>', 'its directory')
    .argument('<path...>', 'as the guest has it, or below a volume: C:\\Data, /srv/data, scsi0:0/2/data')
    .requiredOption('--to <directory>', 'new or empty; its parent must exist')
    .option('--json', 'as one JSON object', false)
    .addHelpText(
      'after',
      '\nExample:\n  everthaw files get /backups/db1-fullVM /etc /srv/data --to /tmp/db1',
    );
  addRepositoryFlags(get).action(
    async (
      backup: string,
      paths: readonly string[],
      { to, json, ...flags }: { to: string; json: boolean },
    ) => {
      const { getFiles } = await import('./getFiles.js');
      await getFiles(await readSettings(flags), backup, paths, to, json);
    },
  );
}
