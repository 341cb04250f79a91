import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TemporalAddress } from '../../src/temporal/client.js';
import { EVERTHAW } from './programs.js';
import { run, type Ran } from './run.js';

/** A lab's host, as the product is told of it. */
export interface LabHost {
  /** Variables that name it and how to log in. */
  everthawEnvironment(): Readonly<Record<string, string>>;
}

/** The installed program with a state directory of its own, a worker to start and kill, and a host to talk to. */
export class LabEverthaw {
  readonly directory: string;
  readonly backups: string;
  readonly state: string;
  /** For scratch files of worker and commands, so that what they forget is seen. */
  readonly scratch: string;
  readonly workerLog: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly program = EVERTHAW;
  #worker: ChildProcess | undefined;

  private constructor(directory: string, environment: NodeJS.ProcessEnv) {
    this.directory = directory;
    this.backups = join(directory, 'backups');
    this.state = join(directory, 'state');
    this.scratch = join(directory, 'scratch');
    this.workerLog = join(directory, 'worker.log');
    this.environment = environment;
  }

  static async create(host: LabHost, temporal: TemporalAddress): Promise<LabEverthaw> {
    const directory = await mkdtemp(join(tmpdir(), 'everthaw-test-'));
    const everthaw = new LabEverthaw(directory, {
      ...process.env,
      // What is configured on this machine is none of the test's business.
      EVERTHAW_CONFIG: '/dev/null',
      ...host.everthawEnvironment(),
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      EVERTHAW_BACKUPTOOLS_CONF: '/nonexistent',
      EVERTHAW_STATE: join(directory, 'state'),
      TMPDIR: join(directory, 'scratch'),
      EVERTHAW_PROXY: `proxy-${directory.slice(-6)}`,
      // A test that looks at what is left over wants nobody to sweep it away; who tests the sweeper says how often.
      EVERTHAW_SWEEP_EVERY_S: '0',
    });
    for (const each of [everthaw.backups, everthaw.state, everthaw.scratch]) await mkdir(each);
    return everthaw;
  }

  /** The same program with other settings. */
  withEnvironment(environment: NodeJS.ProcessEnv): LabEverthaw {
    return new LabEverthaw(this.directory, environment);
  }

  /**
   * Starts a worker and waits until it serves; what it says goes to its log, or with LAB_LOG to the terminal. `wrapper` is a
   * program with arguments that becomes the worker, in surroundings of its making.
   */
  async startWorker(wrapper: readonly string[] = []): Promise<ChildProcess> {
    const log = await open(this.workerLog, 'a');
    const said = process.env['LAB_LOG'] === undefined ? log.fd : ('inherit' as const);
    const worker = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', ...wrapper, process.execPath, EVERTHAW, 'worker'],
      { env: this.environment, stdio: ['ignore', said, said, 'ipc'] },
    );
    await log.close();
    this.#worker = worker;
    await Promise.race([
      once(worker, 'message'),
      once(worker, 'exit').then(() => {
        throw new Error('the worker ended at once: set LAB_LOG=1 to see why');
      }),
    ]);
    return worker;
  }

  get workerPid(): number {
    return this.#worker?.pid ?? 0;
  }

  /** Kills the worker as a power failure would. */
  killWorker(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Ends the worker as an administrator would. */
  endWorker(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    const exited = once(worker, 'exit');
    worker.kill(signal);
    await exited;
  }

  /** Runs `everthaw`, which knows the lab's host by its environment. */
  everthaw(command: string, ...args: readonly string[]): Promise<Ran> {
    return this.everthawWith({}, command, ...args);
  }

  everthawWith(environment: NodeJS.ProcessEnv, command: string, ...args: readonly string[]): Promise<Ran> {
    return run(process.execPath, [EVERTHAW, command, ...args], {
      env: { ...this.environment, ...environment },
      mayFail: true,
    });
  }

  async remove(): Promise<void> {
    await this.killWorker();
    await rm(this.directory, { recursive: true, force: true });
  }
}
