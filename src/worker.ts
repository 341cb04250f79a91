import { watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { pino, type Logger } from 'pino';
import { createActivities, type Activities } from './activities/index.js';
import { StepInterceptor } from './activities/interceptor.js';
import type { SweepDependencies } from './activities/sweep.js';
import { stateDirectories } from './config/directories.js';
import type { Settings } from './config/settings.js';
import { messageOf } from './domain/errors.js';
import { machineIdentity } from './disks/machine.js';
import { processName } from './disks/processName.js';
import { hostQueue, proxyQueue, WORKFLOW_QUEUE } from './domain/names.js';
import { HoldingRecords } from './holdings/records.js';
import { HostPool } from './hosts/hostPool.js';
import { HostRegister } from './hosts/register.js';
import { BUNDLE_FILE } from './temporal/bundle.js';
import { clusterIdOf, connectClient, type TemporalAddress } from './temporal/client.js';
import { askLiveness } from './temporal/liveness.js';
import { leftoverGauges, serveMetrics } from './temporal/metrics.js';
import { keepSweepSchedule } from './temporal/sweepSchedule.js';

/** Heartbeats reach the server this often: what a killed worker did since is done again. */
const HEARTBEAT_THROTTLE_MS = 500;

/** How often the register is looked at without being told. */
const REGISTER_LOOK_MS = 2000;

/** Steps of one proxy that may run at once: transfers share its network and its disks. */
const CONCURRENT_STEPS = 16;

interface Running {
  readonly worker: Worker;
  readonly ended: Promise<void>;
}

/** A worker: workflows, the steps of this proxy, and the steps of every host in its register. */
export class EverthawWorker {
  readonly #connection: NativeConnection;
  readonly #client: Client;
  readonly #register: HostRegister;
  readonly #activities: Activities;
  readonly #settings: Settings;
  readonly #namespace: string;
  readonly #log: Logger;
  /** What was said already, lest it is said at every look. */
  readonly #told = new Set<string>();
  readonly #workers = new Map<string, Promise<Running>>();

  private constructor(
    connection: NativeConnection,
    client: Client,
    settings: Settings,
    namespace: string,
    dependencies: SweepDependencies,
  ) {
    this.#connection = connection;
    this.#client = client;
    this.#settings = settings;
    this.#namespace = namespace;
    this.#register = dependencies.register;
    this.#activities = createActivities(dependencies);
    this.#log = pino({ name: 'worker', level: settings.logLevel });
  }

  static async create(temporal: TemporalAddress, settings: Settings): Promise<EverthawWorker> {
    const directories = stateDirectories(settings);
    await mkdir(directories.hosts, { recursive: true, mode: 0o700 });
    if (settings.metricsAddress !== undefined) serveMetrics(settings.metricsAddress);
    const connection = await NativeConnection.connect({ address: temporal.address });
    const client = await connectClient(temporal);
    const register = new HostRegister(directories.hosts);
    return new EverthawWorker(connection, client, settings, temporal.namespace, {
      register,
      hosts: new HostPool(register, directories.sessions),
      records: new HoldingRecords(directories.holdings),
      proxy: settings.proxy,
      identity: {
        cluster: await clusterIdOf(client),
        namespace: temporal.namespace,
        ...(await machineIdentity()),
      },
      version: settings.version,
      ask: (owner) => askLiveness(client, owner),
      maximumAgeMs: settings.maximumSnapshotAgeMs,
      user: await processName('sweeper'),
      measure: leftoverGauges(settings.proxy),
    });
  }

  /** Serves until `signal` is aborted, then lets running steps end their attempt. */
  async run(signal: AbortSignal, ready: () => void): Promise<void> {
    await this.#serve(WORKFLOW_QUEUE, {
      workflowBundle: { codePath: BUNDLE_FILE },
      stickyQueueScheduleToStartTimeout: '2s',
      maxCachedWorkflows: 100,
    });
    await this.#serveSteps(proxyQueue(this.#settings.proxy));
    // Not recursive: that kind of watch dies with a folder that goes while it looks. A loan is prepared beside the hosts' folders
    // and moved from there, which is seen here; the timer is for what is not.
    const watcher = watch(this.#register.directory, () => void this.#serveHosts());
    watcher.on('error', () => undefined);
    const timer = setInterval(() => void this.#serveHosts(), REGISTER_LOOK_MS);
    await this.#serveHosts();
    await this.#keepSchedule();
    ready();
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
    clearInterval(timer);
    watcher.close();
    const running = await Promise.all(this.#workers.values());
    // The SDK hears SIGTERM too, and may have told them already: to be told twice is an error to them.
    for (const { worker } of running) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.all(running.map(({ ended }) => ended));
    await this.#client.connection.close();
    await this.#connection.close();
  }

  /**
   * A host that comes into the register is served at once; one that leaves it keeps its idle worker. Never throws: what is wrong with one
   * host keeps no other from being served.
   */
  async #serveHosts(): Promise<void> {
    const entries = await this.#register.list((loan, error) => {
      this.#tellOnce(`the register's entry ${loan} cannot be read: ${messageOf(error)}`);
    });
    for (const { uuid } of entries) {
      await this.#serveSteps(hostQueue(uuid)).catch((error: unknown) => {
        this.#tellOnce(`host ${uuid} cannot be served yet: ${messageOf(error)}`);
      });
    }
  }

  /** Without a schedule nothing else suffers: everthaw cleanup does the same. */
  async #keepSchedule(): Promise<void> {
    const { proxy, sweepEveryMs } = this.#settings;
    await keepSweepSchedule(this.#client, { proxy }, sweepEveryMs).catch((error: unknown) => {
      this.#tellOnce(`this proxy is not swept by itself: ${messageOf(error)}`);
    });
  }

  #tellOnce(line: string): void {
    if (this.#told.has(line)) return;
    this.#told.add(line);
    this.#log.error(line);
  }

  #serveSteps(queue: string): Promise<void> {
    return this.#serve(queue, {
      activities: this.#activities,
      interceptors: { activity: [() => ({ inbound: new StepInterceptor() })] },
      maxConcurrentActivityTaskExecutions: CONCURRENT_STEPS,
      maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      shutdownGraceTime: '1s',
    });
  }

  async #serve(queue: string, options: Partial<WorkerOptions>): Promise<void> {
    let running = this.#workers.get(queue);
    if (running === undefined) {
      running = this.#start(queue, options);
      this.#workers.set(queue, running);
      // It is tried again at the next look.
      running.catch(() => this.#workers.delete(queue));
    }
    await running;
  }

  async #start(taskQueue: string, options: Partial<WorkerOptions>): Promise<Running> {
    const worker = await Worker.create({
      connection: this.#connection,
      namespace: this.#namespace,
      taskQueue,
      identity: `${this.#settings.proxy} (${process.pid})`,
      ...options,
    });
    return { worker, ended: worker.run() };
  }
}
