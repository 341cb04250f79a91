import { watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { pino, type Logger } from 'pino';
import { createActivities, type Activities } from './activities/index.js';
import { StepInterceptor } from './activities/interceptor.js';
import { RunningSteps } from './activities/runningSteps.js';
import type { SweepDependencies } from './activities/sweep.js';
import { stateDirectories } from './config/directories.js';
import type { Settings } from './config/settings.js';
import { messageOf } from './domain/errors.js';
import { machineIdentity } from './system/machine.js';
import { processName } from './system/processName.js';
import { hostQueue, proxyQueue, WORKFLOW_QUEUE } from './domain/names.js';
import { Destinations } from './destinations/destinations.js';
import { endSweep } from './holdings/endSweep.js';
import { releaseJudged } from './holdings/releaseJudged.js';
import { HoldingRecords } from './holdings/records.js';
import { HostPool } from './hosts/hostPool.js';
import { HostRegister } from './hosts/register.js';
import { jobTools } from './requests/jobTools.js';
import { BUNDLE_FILE } from './temporal/bundle.js';
import { clusterIdOf, connectClient, type TemporalAddress } from './temporal/client.js';
import { noteContact } from './temporal/contact.js';
import { isCurrentAttempt } from './temporal/currentAttempt.js';
import { askLiveness } from './temporal/liveness.js';
import { registerWorker } from './temporal/livingWorkers.js';
import { lastStateOf } from './temporal/jobRuns.js';
import { addSearchAttributes } from './temporal/namespace.js';
import { askPermit } from './temporal/permits.js';
import { leftoverGauges, serveMetrics } from './temporal/metrics.js';
import { sweepOffline } from './temporal/sweepOffline.js';
import { RunGauges } from './temporal/runGauges.js';
import { keepSweepSchedule } from './temporal/sweepSchedule.js';

/** Heartbeats reach the server this often: what a killed worker did since is done again. */
const HEARTBEAT_THROTTLE_MS = 500;

/** How often the register is looked at without being told. */
const REGISTER_LOOK_MS = 2000;

/** How often the server is listened to, and how long it may take to answer. */
const LISTEN_MS = 10_000;
const ANSWER_MS = 5000;
/** How often what the metrics say of backups is looked up. */
const MEASURE_MS = 30_000;

/** What has not ended by then has no server to tell it to. */
const SHUTDOWN_PATIENCE = '20s';

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
  readonly #dependencies: SweepDependencies;
  readonly #activities: Activities;
  readonly #steps = new RunningSteps();
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
    this.#dependencies = dependencies;
    this.#activities = createActivities(
      dependencies,
      { askPermit: (wish) => askPermit(client, wish), ask: (run) => askLiveness(client, run) },
      jobTools(settings.configFile, (job) => lastStateOf(client, job)),
    );
    this.#log = pino({ name: 'worker', level: settings.logLevel });
  }

  static async create(temporal: TemporalAddress, settings: Settings): Promise<EverthawWorker> {
    const directories = stateDirectories(settings);
    for (const each of [directories.hosts, directories.mounted])
      await mkdir(each, { recursive: true, mode: 0o700 });
    if (settings.metricsAddress !== undefined) serveMetrics(settings.metricsAddress);
    const connection = await NativeConnection.connect({ address: temporal.address });
    const client = await connectClient(temporal);
    await addSearchAttributes(client, temporal.namespace);
    const register = new HostRegister(directories.hosts);
    return new EverthawWorker(connection, client, settings, temporal.namespace, {
      register,
      hosts: new HostPool(register, directories.sessions),
      records: new HoldingRecords(directories.holdings),
      destinations: new Destinations(settings.stateDirectory),
      proxy: settings.proxy,
      identity: {
        cluster: await clusterIdOf(client),
        namespace: temporal.namespace,
        ...(await machineIdentity()),
      },
      version: settings.version,
      mountPlaces: {
        register: directories.hosts,
        sessions: directories.sessions,
        scratch: directories.volumes,
        slotsLock: directories.slotsLock,
      },
      mounted: directories.mounted,
      ask: (owner) => askLiveness(client, owner),
      maximumAgeMs: settings.maximumSnapshotAgeMs,
      user: await processName('sweeper'),
      measure: leftoverGauges(settings.proxy),
    });
  }

  /**
   * Serves until `signal` is aborted, then lets running steps end their attempt. Where its server is silent for too long, it stops
   * serving, and lets go of what its runs hold until the server is back.
   */
  async run(signal: AbortSignal, ready: () => void): Promise<void> {
    /** A function, for the compiler takes what it has seen once for lasting. */
    const stopped = (): boolean => signal.aborted;
    const unregister = await registerWorker(stateDirectories(this.#settings).workers);
    try {
      while (!stopped()) {
        const silence = new AbortController();
        const serving = AbortSignal.any([signal, silence.signal]);
        const watching = [this.#watchServer(silence, signal), this.#measureRuns(serving)];
        await this.#serveAll(serving, ready);
        await Promise.all(watching);
        if (stopped()) break;
        // Whoever starts this process again has certainty.
        if (this.#steps.running > 0) throw new Error('the Temporal server is silent, and steps do not end');
        await this.#beOffline(signal);
      }
    } finally {
      await unregister();
      await this.#client.connection.close();
      await this.#connection.close();
    }
  }

  async #serveAll(signal: AbortSignal, ready: () => void): Promise<void> {
    await this.#serve(WORKFLOW_QUEUE, {
      workflowBundle: { codePath: BUNDLE_FILE },
      stickyQueueScheduleToStartTimeout: '2s',
      maxCachedWorkflows: 100,
      shutdownForceTime: SHUTDOWN_PATIENCE,
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
    await aborted(signal);
    clearInterval(timer);
    watcher.close();
    const running = await Promise.all(this.#workers.values());
    this.#workers.clear();
    for (const { worker } of running) if (worker.getState() === 'RUNNING') worker.shutdown();
    // Without a server its native part cannot tell how the steps ended: that is no failure of theirs.
    const ends = await Promise.allSettled(running.map(({ ended }) => ended));
    for (const end of ends)
      if (end.status === 'rejected')
        this.#log.warn(`a worker did not end in order: ${messageOf(end.reason)}`);
  }

  /** Notes each sign of life of the server, and tells when there was none for too long. */
  async #watchServer(silence: AbortController, signal: AbortSignal): Promise<void> {
    const { offlineAfterMs } = this.#settings;
    let heardAt = performance.now();
    while (!signal.aborted && !silence.signal.aborted) {
      if (await this.#hear()) heardAt = performance.now();
      else if (performance.now() - heardAt > offlineAfterMs) silence.abort();
      await sleep(Math.min(LISTEN_MS, offlineAfterMs / 4), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Where nobody asks for metrics nothing is looked up. */
  async #measureRuns(signal: AbortSignal): Promise<void> {
    const { metricsAddress, proxy } = this.#settings;
    if (metricsAddress === undefined) return;
    const gauges = new RunGauges(proxy);
    while (!signal.aborted) {
      await gauges.look(this.#client).catch((error: unknown) => {
        this.#tellOnce(`what the metrics say of backups is not up to date: ${messageOf(error)}`);
      });
      await sleep(MEASURE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #hear(): Promise<boolean> {
    try {
      await this.#client.connection.withDeadline(Date.now() + ANSWER_MS, () => clusterIdOf(this.#client));
      await noteContact(stateDirectories(this.#settings).contact, this.#dependencies.identity);
      return true;
    } catch {
      return false;
    }
  }

  /** Nothing is served, so no step runs: what runs of this proxy hold is let go, again and again, until the server is back. */
  async #beOffline(signal: AbortSignal): Promise<void> {
    this.#log.error('the Temporal server is silent: letting go of what this proxy took, until it is back');
    const { proxy, hosts, records, destinations, user } = this.#dependencies;
    const tools = { proxy, hosts, records, destinations, user, isWorker: true, mayRunsComeBack: true };
    while (!signal.aborted && !(await this.#hear())) {
      try {
        const judgement = await sweepOffline(this.#settings, tools);
        const outcomes = await releaseJudged(judgement, tools, (line) => {
          this.#log.warn(line);
        });
        await endSweep(tools);
        this.#dependencies.measure(judgement, outcomes);
      } catch (error) {
        this.#log.error(`the offline sweep failed: ${messageOf(error)}`);
      }
      await sleep(LISTEN_MS, undefined, { signal }).catch(() => undefined);
    }
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
      interceptors: {
        activity: [
          () => ({
            inbound: new StepInterceptor(this.#steps, (info) => isCurrentAttempt(this.#client, info)),
          }),
        ],
      },
      maxConcurrentActivityTaskExecutions: CONCURRENT_STEPS,
      maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      shutdownGraceTime: '1s',
      shutdownForceTime: SHUTDOWN_PATIENCE,
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

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}
