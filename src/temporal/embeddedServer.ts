import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { connectClient } from './client.js';
import { isListening } from './listening.js';
import { prepareNamespace } from './namespace.js';
import { tailOf, spawnTethered } from '../system/program.js';
import { until } from '../system/until.js';

export interface EmbeddedServer {
  readonly process: ChildProcess;
  readonly address: string;
  readonly uiUrl: string;
}

export interface EmbeddedOptions {
  readonly program: string;
  /** Where its history lies; without it in memory. */
  readonly databaseFile: string | undefined;
  readonly namespace: string;
  /** Ports to use again if they are free, so that an address stays what it was; 0: any. */
  readonly wishedPorts?: { readonly server: number; readonly ui: number };
  /** More of the server's own settings, as `name=value in JSON`. */
  readonly dynamicConfig?: readonly string[];
}

/** How often it is started: it chooses ports for its parts before it takes them, and another program may be faster. */
const STARTS = 3;

/** Starts Temporal's development server and returns when it answers and the namespace is fit for us. */
export async function startEmbeddedServer(
  options: EmbeddedOptions,
  signal: AbortSignal,
): Promise<EmbeddedServer> {
  for (let left = STARTS - 1; ; left -= 1) {
    try {
      return await startOnce(options, signal);
    } catch (error) {
      if (left === 0 || !(error instanceof EndedAtOnce)) throw error;
    }
  }
}

class EndedAtOnce extends Error {
  constructor(exit: number | string, why: string) {
    super(`the Temporal server ended with ${exit}: ${why}`);
  }
}

async function startOnce(options: EmbeddedOptions, signal: AbortSignal): Promise<EmbeddedServer> {
  const port = await freePort(options.wishedPorts?.server ?? 7233);
  const uiPort = await freePort(options.wishedPorts?.ui ?? 8233);
  const child = spawnTethered(
    options.program,
    [
      ...[
        'server',
        'start-dev',
        '--ip',
        '127.0.0.1',
        '--port',
        String(port),
        '--ui-port',
        String(uiPort),
        '--namespace',
        options.namespace,
      ],
      ...(options.databaseFile === undefined ? [] : ['--db-filename', options.databaseFile]),
      // Without it every retry below a second takes a second.
      ...['history.timerProcessorMaxTimeShift="50ms"', ...(options.dynamicConfig ?? [])].flatMap((value) => [
        '--dynamic-config-value',
        value,
      ]),
      ...['--log-level', 'error'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const tail = tailOf(child);
  const panic = panicOf(child);
  const address = `127.0.0.1:${port}`;
  try {
    await until(async () => {
      const exit = child.exitCode ?? child.signalCode;
      if (exit !== null) throw new EndedAtOnce(exit, panic() ?? tail());
      if (!(await isListening(child.pid ?? 0, port))) return false;
      const client = await connectClient({ address, namespace: options.namespace }).catch(() => undefined);
      if (client === undefined) return false;
      try {
        await prepareNamespace(client, options.namespace);
        return true;
      } catch {
        // A namespace that was just made is not known everywhere at once.
        return false;
      } finally {
        await client.connection.close();
      }
    }, signal);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return { process: child, address, uiUrl: `http://127.0.0.1:${uiPort}` };
}

/** Why a Go program panicked: after that line come pages of its stack. */
function panicOf({ stderr }: ChildProcess): () => string | undefined {
  let panic: string | undefined;
  if (stderr !== null)
    createInterface({ input: stderr }).on('line', (line) => {
      if (line.startsWith('panic: ')) panic ??= line;
    });
  return () => panic;
}

/** The wished port if it is free, else one that is. */
async function freePort(wished: number): Promise<number> {
  const tried = await listenOnce(wished);
  return tried ?? (await listenOnce(0)) ?? wished;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(undefined);
    });
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === 'object' ? address?.port : undefined);
      });
    });
  });
}
