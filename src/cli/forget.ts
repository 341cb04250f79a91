import type { Command } from 'commander';
import type { ReadSettings } from './readSettings.js';
import { addRepositoryFlags, addSettingFlags } from './settingFlags.js';

export interface ForgetFlags {
  readonly keepLast?: string;
  readonly keepHourly?: string;
  readonly keepDaily?: string;
  readonly keepWeekly?: string;
  readonly keepMonthly?: string;
  readonly keepYearly?: string;
  readonly keepWithin?: string;
  readonly vm?: readonly string[];
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

const EXAMPLES = `
Examples:
  everthaw forget /backups --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --dry-run
  everthaw forget scp://backup@store:/vault --keep-within 14d --keep-yearly 10 --yes`;

/** `everthaw forget`: drops restore points that no rule keeps. */
export function addForget(program: Command, readSettings: ReadSettings): void {
  const command = program
    .command('forget')
    .description('remove the backups of each VM that no rule keeps; never its newest')
    .argument('<directory...>', 'directories that backups lie below, or scp://user@host:/path')
    .addHelpText('after', EXAMPLES)
    .option('--keep-last <number>', 'keep so many of the newest')
    .option('--keep-hourly <number>', 'of so many hours that have any, keep the newest')
    .option('--keep-daily <number>', 'the same of days')
    .option('--keep-weekly <number>', 'of weeks, which begin on Monday')
    .option('--keep-monthly <number>', 'of months')
    .option('--keep-yearly <number>', 'of years')
    .option('--keep-within <time>', 'keep all that are at most so much older than the newest: 36h, 14d, 8w')
    .option('--vm <uuid...>', 'only of VMs with these instance uuids')
    .option('--dry-run', 'only say what would be kept and forgotten, and why', false)
    .option('-y, --yes', 'do not ask', false)
    .option('--json', 'one JSON object a line', false);
  addSettingFlags(addRepositoryFlags(command), 'timeZone').action(
    async (directories: readonly string[], flags: ForgetFlags) => {
      const { runForget } = await import('./runForget.js');
      await runForget(await readSettings(flags), directories, flags);
    },
  );
}
