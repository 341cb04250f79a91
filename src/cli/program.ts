import { Command } from 'commander';
import { packageVersion } from '../config/version.js';
import { addBackup } from './backup.js';
import { addCheck } from './check.js';
import { addCleanup } from './cleanup.js';
import { addCompletion } from './completion/command.js';
import { addConfig } from './config.js';
import { addDaemonCommands } from './daemonCommands.js';
import { addFiles } from './files.js';
import { addForget } from './forget.js';
import { addJobs } from './jobs.js';
import { addMount } from './mount.js';
import { EXIT } from './output.js';
import { addPlaces } from './placeCommands.js';
import { addPointCommands } from './pointCommands.js';
import { settingsReader } from './readSettings.js';
import { addRestore } from './restore.js';
import { addRunCommands } from './runCommands.js';

/** `everthaw` with all its commands: what is run, and what its completion and its documentation are made from. */
export function everthaw(): Command {
  const program = new Command('everthaw')
    .description('Consolidated backup of virtual machines: what it takes hold of, it always lets go.')
    .version(packageVersion())
    .addHelpText('after', '\nExample:\n  everthaw backup name:db1 --root /backups')
    .option('--config <file>', 'everthaw.yaml to read (or EVERTHAW_CONFIG)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage));
  const settings = settingsReader(() => program.opts<{ config?: string }>().config);
  addBackup(program, settings);
  addRestore(program, settings);
  addRunCommands(program, settings);
  addPointCommands(program);
  addMount(program, settings);
  addForget(program, settings);
  addFiles(program, settings);
  addJobs(program, settings);
  addPlaces(program, settings);
  addCheck(program, settings);
  addCleanup(program, settings);
  addDaemonCommands(program, settings);
  addConfig(program);
  addCompletion(program);
  return program;
}
