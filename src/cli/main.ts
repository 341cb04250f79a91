#!/usr/bin/env node
import { Command } from 'commander';
import { packageVersion } from '../config/version.js';
import { addBackup } from './backup.js';
import { addCheck } from './check.js';
import { addCleanup } from './cleanup.js';
import { addConfig } from './config.js';
import { addDaemonCommands } from './daemonCommands.js';
import { EXIT, Output } from './output.js';
import { addPlaces } from './placeCommands.js';
import { addPointCommands } from './pointCommands.js';
import { settingsReader } from './readSettings.js';
import { addRestore } from './restore.js';
import { addRunCommands } from './runCommands.js';

const program = new Command('everthaw')
  .description('Consolidated backup of virtual machines: what it takes hold of, it always lets go.')
  .version(packageVersion())
  .option('--config <file>', 'everthaw.yaml to read (or EVERTHAW_CONFIG)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage));
const settings = settingsReader(() => program.opts<{ config?: string }>().config);
addBackup(program, settings);
addRestore(program, settings);
addRunCommands(program, settings);
addPointCommands(program);
addPlaces(program, settings);
addCheck(program, settings);
addCleanup(program, settings);
addDaemonCommands(program, settings);
addConfig(program);

process.once('SIGINT', () => {
  console.error(
    '\neverthaw: stopped watching; the run goes on. See it with everthaw status, end it with everthaw cancel',
  );
  process.exit(EXIT.interrupted);
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = new Output(process.argv.includes('--json')).error(error);
  // A command that failed may still hold a connection open.
  process.exit();
}
