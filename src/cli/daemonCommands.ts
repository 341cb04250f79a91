import type { Command } from 'commander';
import { stateDirectories } from '../config/directories.js';
import { EverthawError } from '../domain/errors.js';
import { stopDaemon } from '../temporal/daemon.js';
import { EXIT } from './output.js';
import type { ReadSettings } from './readSettings.js';
import { wholeNumber } from './values.js';

/** For so long the server remembers runs (src/temporal/namespace.ts). */
const MOST_DAYS = 35;

interface ReportFlags {
  readonly html?: string;
  readonly days: string;
  readonly json: boolean;
}

export function addDaemonCommands(program: Command, readSettings: ReadSettings): void {
  program
    .command('up')
    .description('start the embedded Temporal server and a worker, or say where they are')
    .addHelpText('after', '\nExample:\n  everthaw up')
    .action(async () => {
      const settings = await readSettings();
      const { accessTemporal } = await import('./temporalAccess.js');
      const { client, uiUrl } = await accessTemporal(settings);
      console.log(`server and worker are up${uiUrl === undefined ? '' : `; the Temporal UI is at ${uiUrl}`}`);
      await client.connection.close();
    });

  program
    .command('down')
    .description('stop the embedded server and worker; unfinished runs go on at the next start')
    .addHelpText('after', '\nExample:\n  everthaw down')
    .action(async () => {
      const { daemon } = stateDirectories(await readSettings());
      console.log((await stopDaemon(daemon)) ? 'stopped' : 'nothing was running');
    });

  program
    .command('status')
    .description(
      'say whether server and worker are up, which runs are living, each VM’s last good backup and next start, and what is left over',
    )
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', '\nExample:\n  everthaw status')
    .action(async (flags: { json: boolean }) => {
      const settings = await readSettings();
      const { showStatus } = await import('./status.js');
      await showStatus(settings, flags.json);
    });

  program
    .command('report')
    .description('how the last days’ backups ended, by VM and day')
    .option('--html <file>', 'write it there as a page of its own, to look at or to send')
    .option('--days <number>', `so many days, at most ${MOST_DAYS}`, '30')
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', '\nExample:\n  everthaw report --html report.html')
    .action(async (flags: ReportFlags) => {
      const days = wholeNumber('--days', flags.days, 1, MOST_DAYS);
      const settings = await readSettings();
      const { report } = await import('./report.js');
      await report(settings, { ...flags, days });
    });

  program
    .command('worker')
    .description('serve as a proxy’s worker for the Temporal server at TEMPORAL_ADDRESS')
    .addHelpText(
      'after',
      '\nExample:\n  TEMPORAL_ADDRESS=temporal:7233 EVERTHAW_PROXY=proxy1 everthaw worker',
    )
    .action(async () => {
      const settings = await readSettings();
      const { address, namespace } = settings.temporal;
      if (address === undefined) {
        throw new EverthawError({
          code: 'WrongUsage',
          what: 'start a worker',
          why: 'it is not told which Temporal server to serve',
          hint: 'set TEMPORAL_ADDRESS, or use everthaw up for an embedded one',
        });
      }
      const stop = new AbortController();
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        process.once(signal, () => {
          stop.abort();
        });
      }
      const { EverthawWorker } = await import('../worker.js');
      const worker = await EverthawWorker.create({ address, namespace }, settings);
      await worker.run(stop.signal, () => process.send?.('ready'));
      process.exit(EXIT.done);
    });
}
