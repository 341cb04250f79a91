import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../../src/config/settings.js';
import type { TemporalAddress } from '../../src/temporal/client.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/temporal/embeddedServer.js';
import { resolveTemporal } from '../../src/temporal/program.js';
import { TcpProxy } from './tcpProxy.js';

const NAMESPACE = 'default';
const PATIENCE_MS = 60_000;

/** A Temporal server of its own on a file, which can be killed and started again, and from which others can be cut off. */
export class LabTemporalServer {
  readonly #directory: string;
  readonly #program: string;
  readonly #proxy: TcpProxy;
  #server: EmbeddedServer;

  private constructor(directory: string, program: string, server: EmbeddedServer, proxy: TcpProxy) {
    this.#directory = directory;
    this.#program = program;
    this.#server = server;
    this.#proxy = proxy;
  }

  /** `dynamicConfig`: of the server, as `name=value`. */
  static async start(dynamicConfig: readonly string[] = []): Promise<LabTemporalServer> {
    const settings = readSettings();
    const program = await resolveTemporal(
      { ...settings.temporal, cacheDirectory: settings.cacheDirectory },
      (line) => {
        console.log(line);
      },
    );
    const directory = await mkdtemp(join(tmpdir(), 'everthaw-temporal-'));
    const server = await startServer(program, directory, 0, dynamicConfig);
    const lab: LabTemporalServer = new LabTemporalServer(
      directory,
      program,
      server,
      await TcpProxy.start(() => lab.#port),
    );
    return lab;
  }

  /** For those who look on: nothing cuts them off. */
  get direct(): TemporalAddress {
    return { address: this.#server.address, namespace: NAMESPACE };
  }

  /** For the product: by the way that can be cut. */
  get throughProxy(): TemporalAddress {
    return { address: `127.0.0.1:${this.#proxy.port}`, namespace: NAMESPACE };
  }

  get proxy(): TcpProxy {
    return this.#proxy;
  }

  get #port(): number {
    return Number(this.#server.address.split(':')[1]);
  }

  async kill(): Promise<void> {
    const { process } = this.#server;
    if (process.exitCode !== null || process.signalCode !== null) return;
    const exited = once(process, 'exit');
    process.kill('SIGKILL');
    await exited;
  }

  /** Starts it again on its file, where it was. */
  async startAgain(): Promise<void> {
    await this.kill();
    this.#server = await startServer(this.#program, this.#directory, this.#port);
  }

  async stop(): Promise<void> {
    await this.#proxy.stop();
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function startServer(
  program: string,
  directory: string,
  port: number,
  dynamicConfig: readonly string[] = [],
): Promise<EmbeddedServer> {
  return startEmbeddedServer(
    {
      program,
      databaseFile: join(directory, 'temporal.db'),
      namespace: NAMESPACE,
      wishedPorts: { server: port, ui: 0 },
      dynamicConfig,
    },
    AbortSignal.timeout(PATIENCE_MS),
  );
}
