import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import type { ReadSettings } from './readSettings.js';
import { addHostFlags } from './settingFlags.js';

export interface CleanupFlags {
  readonly yes: boolean;
  readonly json: boolean;
  readonly force?: string;
  readonly offline: boolean;
}

/** Lists what is left over on the hosts and on this proxy, and lets go of what belongs to nobody who lives (F10). */
export function addCleanup(program: Command, readSettings: ReadSettings): void {
  addHostFlags(addCleanupFlags(program.command('cleanup')))
    .addHelpText('after', '\nExamples:\n  everthaw cleanup\n  everthaw cleanup -y --json')
    .action(async (flags: CleanupFlags) => runCleanup(await readSettings(flags), flags));
}

export function addCleanupFlags(command: Command): Command {
  return command
    .description('list what is left over, and let go of what no living run owns; safe at any time')
    .option('-y, --yes', 'do not ask', false)
    .option(
      '--force <id>',
      'let go of this one thing, though nobody can say whose it is; never of a living run’s',
    )
    .option('--offline', 'where no Temporal server answers: let go of what this proxy itself took', false)
    .option('--json', 'one JSON object a line', false);
}

export async function runCleanup(settings: Settings, flags: CleanupFlags): Promise<void> {
  if (flags.offline) await (await import('./offline.js')).cleanUpOffline(settings, flags);
  else await (await import('./online.js')).cleanUpOnline(settings, flags);
}
