import type { Command } from 'commander';
import type { ReadSettings } from './readSettings.js';

export interface ApplyFlags {
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

export interface RunJobFlags {
  readonly failed: boolean;
  readonly detach: boolean;
  readonly json: boolean;
}

/** `everthaw jobs`: backups of many VMs, by schedule (F8). */
export function addJobs(program: Command, readSettings: ReadSettings): void {
  const jobs = program
    .command('jobs')
    .description('jobs of everthaw.yaml: backups of many VMs, by schedule')
    .addHelpText('after', '\nExamples:\n  everthaw jobs apply\n  everthaw jobs list');
  const json = ['--json', 'one JSON object a line', false] as const;

  jobs
    .command('apply')
    .description(
      'make the server run the jobs of everthaw.yaml as they stand there; shows first what would change',
    )
    .option('--dry-run', 'only show what would change', false)
    .option('-y, --yes', 'do not ask', false)
    .option(...json)
    .addHelpText('after', '\nExample:\n  everthaw jobs apply --yes')
    .action(async (flags: ApplyFlags) => {
      const settings = await readSettings();
      const { applyJobs } = await import('./applyJobs.js');
      await applyJobs(settings, flags);
    });

  jobs
    .command('list')
    .description('each job, its next start, and how it ended last')
    .option(...json)
    .addHelpText('after', '\nExample:\n  everthaw jobs list')
    .action(async (flags: { json: boolean }) => {
      const settings = await readSettings();
      const { listJobs } = await import('./showJobs.js');
      await listJobs(settings, flags.json);
    });

  jobs
    .command('show')
    .description('a job as it was applied, and what became of each VM in its last run')
    .argument('<job>')
    .option(...json)
    .addHelpText('after', '\nExample:\n  everthaw jobs show nightly')
    .action(async (job: string, flags: { json: boolean }) => {
      const settings = await readSettings();
      const { showJob } = await import('./showJobs.js');
      await showJob(settings, job, flags.json);
    });

  jobs
    .command('next')
    .description('the next starts of a job')
    .argument('<job>')
    .option(...json)
    .addHelpText('after', '\nExample:\n  everthaw jobs next nightly')
    .action(async (job: string, flags: { json: boolean }) => {
      const settings = await readSettings();
      const { showNext } = await import('./showJobs.js');
      await showNext(settings, job, flags.json);
    });

  jobs
    .command('run')
    .description('run a job now, as it was applied, and follow it')
    .argument('<job>')
    .option('--failed', 'only the VMs that did not succeed in its last run', false)
    .option('--detach', 'return as soon as the run is started', false)
    .option(...json)
    .addHelpText('after', '\nExamples:\n  everthaw jobs run nightly\n  everthaw jobs run nightly --failed')
    .action(async (job: string, flags: RunJobFlags) => {
      const settings = await readSettings();
      const { runJob } = await import('./runJobs.js');
      await runJob(settings, job, flags);
    });

  jobs
    .command('watch')
    .description('follow the living run of a job')
    .argument('<job>')
    .option(...json)
    .addHelpText('after', '\nExample:\n  everthaw jobs watch nightly')
    .action(async (job: string, flags: { json: boolean }) => {
      const settings = await readSettings();
      const { watchJob } = await import('./runJobs.js');
      await watchJob(settings, job, flags.json);
    });

  jobs
    .command('cancel')
    .description('cancel the living run of a job, with the runs of its VMs')
    .argument('<job>')
    .addHelpText('after', '\nExample:\n  everthaw jobs cancel nightly')
    .action(async (job: string) => {
      const settings = await readSettings();
      const { cancelJob } = await import('./runJobs.js');
      await cancelJob(settings, job);
    });

  for (const [name, does] of [
    ['pause', 'let a job’s schedule start nothing until it is resumed; a run that is living goes on'],
    ['resume', 'let a paused job’s schedule start again'],
  ] as const)
    jobs
      .command(name)
      .description(does)
      .argument('<job>')
      .option('--because <text>', 'why, for whoever looks at it')
      .addHelpText('after', `\nExample:\n  everthaw jobs ${name} nightly`)
      .action(async (job: string, { because }: { because?: string }) => {
        const settings = await readSettings();
        const { pauseJob } = await import('./runJobs.js');
        await pauseJob(settings, job, name, because);
      });

  jobs
    .command('backfill')
    .description('start a job once if it should have started within a time that has passed')
    .argument('<job>')
    .requiredOption('--since <time>', 'as 2026-11-23T01:00:00Z')
    .option('--until <time>', 'now, if not given')
    .addHelpText('after', '\nExample:\n  everthaw jobs backfill nightly --since 2026-11-23T00:00:00Z')
    .action(async (job: string, flags: { since: string; until?: string }) => {
      const settings = await readSettings();
      const { backfillJob } = await import('./runJobs.js');
      await backfillJob(settings, job, flags);
    });
}
