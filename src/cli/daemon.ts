import { mkdir, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { stateDirectories } from '../config/directories.js';
import { environmentWith, readSettings } from '../config/settings.js';
import { messageOf } from '../domain/errors.js';
import { readJson } from '../system/jsonFile.js';
import { noteProcess, processIdentity } from '../system/processIdentity.js';
import { exitOf, spawnTethered } from '../system/program.js';
import { daemonFiles, type DaemonState } from '../temporal/daemon.js';
import { startEmbeddedServer, type EmbeddedServer } from '../temporal/embeddedServer.js';
import { resolveTemporal } from '../temporal/program.js';

/*
 * The daemon of a state directory: keeps a Temporal server and a worker running until it is told to stop. Whichever dies is
 * started again; when the daemon dies, the kernel ends both, and the next command that needs them starts all anew.
 */

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const RESTART_PAUSE_MS = 500;

const settings = readSettings();
const directory = stateDirectories(settings).daemon;
const files = daemonFiles(directory);
const log = pino({ name: 'daemon', level: settings.logLevel });
const stop = new AbortController();
/** A function, for the compiler takes what it has seen once for lasting. */
const stopped = (): boolean => stop.signal.aborted;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    stop.abort();
  });
}

await mkdir(directory, { recursive: true, mode: 0o700 });
const earlier = await readEarlierPorts();
await rm(files.state, { force: true });
await noteProcess(files.process, await processIdentity(process.pid));
const program = await resolveTemporal(
  { ...settings.temporal, cacheDirectory: settings.cacheDirectory },
  (line) => {
    log.info(line);
  },
);
await keepServer(earlier);
process.exit(0);

/** Keeps the server running, and beside each server a worker. */
async function keepServer(wishedPorts: { server: number; ui: number } | undefined): Promise<void> {
  let ports = wishedPorts;
  while (!stopped()) {
    try {
      const server = await startEmbeddedServer(
        {
          program,
          databaseFile: join(settings.stateDirectory, 'temporal.db'),
          namespace: settings.temporal.namespace,
          ...(ports === undefined ? {} : { wishedPorts: ports }),
        },
        AbortSignal.any([stop.signal, AbortSignal.timeout(30_000)]),
      );
      ports = portsOf(server);
      const serverEnded = exitOf(server.process);
      const workersEnded = new AbortController();
      const workers = keepWorker(server, AbortSignal.any([stop.signal, workersEnded.signal]));
      await Promise.race([serverEnded, once(stop.signal, 'abort')]);
      if (!stopped()) log.error('the Temporal server died: starting it again');
      workersEnded.abort();
      await workers;
      server.process.kill('SIGTERM');
      await serverEnded;
    } catch (error) {
      if (stopped()) return;
      log.error(`the Temporal server does not start: ${messageOf(error)}`);
    }
    if (!stopped()) await sleep(RESTART_PAUSE_MS);
  }
}

async function keepWorker(server: EmbeddedServer, signal: AbortSignal): Promise<void> {
  const ended = (): boolean => signal.aborted;
  while (!ended()) {
    const child = spawnTethered(process.execPath, [MAIN, 'worker'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: environmentWith({ TEMPORAL_ADDRESS: server.address }),
    });
    const end = (): void => void child.kill('SIGTERM');
    signal.addEventListener('abort', end, { once: true });
    child.once('message', () => void announce(server));
    const exit = await exitOf(child);
    signal.removeEventListener('abort', end);
    if (ended()) return;
    log.error(`the worker ended with ${exit}: starting it again`);
    await sleep(RESTART_PAUSE_MS);
  }
}

async function announce({ address, uiUrl }: EmbeddedServer): Promise<void> {
  const state: DaemonState = {
    process: await processIdentity(process.pid),
    address,
    uiUrl,
    namespace: settings.temporal.namespace,
    logFile: files.log,
  };
  await writeFile(files.state, JSON.stringify(state, undefined, 2), { mode: 0o600 });
  await writeFile(join(directory, 'ports.json'), JSON.stringify(portsOf({ address, uiUrl })));
  log.info({ address, uiUrl }, 'server and worker are up');
}

function portsOf({ address, uiUrl }: Pick<EmbeddedServer, 'address' | 'uiUrl'>): {
  server: number;
  ui: number;
} {
  return { server: Number(address.split(':')[1]), ui: Number(new URL(uiUrl).port) };
}

async function readEarlierPorts(): Promise<{ server: number; ui: number } | undefined> {
  return readJson(join(directory, 'ports.json'));
}
