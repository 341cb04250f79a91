import type { Command } from 'commander';
import { stateDirectories } from '../config/directories.js';
import { EverthawError } from '../domain/errors.js';
import { findDaemon, stopDaemon } from '../temporal/daemon.js';
import { EXIT } from './output.js';
import type { ReadSettings } from './readSettings.js';

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
    .description('say whether server and worker are up, and which runs are living')
    .addHelpText('after', '\nExample:\n  everthaw status')
    .action(async () => {
      const settings = await readSettings();
      const daemon = await findDaemon(stateDirectories(settings).daemon);
      if (daemon === undefined && settings.temporal.address === undefined) {
        console.log('server and worker are down');
        process.exitCode = EXIT.failed;
        return;
      }
      const { accessTemporal } = await import('./temporalAccess.js');
      const { client, uiUrl } = await accessTemporal(settings);
      console.log(`server and worker are up${uiUrl === undefined ? '' : `; the Temporal UI is at ${uiUrl}`}`);
      for await (const run of client.workflow.list({ query: 'ExecutionStatus="Running"' })) {
        console.log(`  ${run.type}  ${run.workflowId}  since ${run.startTime.toISOString()}`);
      }
      await client.connection.close();
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
