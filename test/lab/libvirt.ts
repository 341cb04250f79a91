import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../src/system/until.js';
import { LIBVIRT_CACHE } from './programs.js';
import { run, type Ran } from './run.js';
import { tether } from './tether.js';

const PATIENCE_MS = 30_000;

/** The kernel's limit of a socket's path is 108 bytes, and libvirt's own part of it takes up to 85. */
const LONGEST_PARENT = 11;

export interface LabLibvirtOptions {
  /** More lines for qemu.conf. */
  readonly qemuConf?: string;
}

/**
 * A libvirtd of its own, in session mode, with its own directories and host uuid: several stand side by side, none touches
 * what is on the machine, and a test may kill it while its VMs run on. Nothing of it outlives this process.
 */
export class LabLibvirt {
  /** Short, for sockets; VMs of the lab live below it. */
  readonly directory: string;
  readonly hostUuid = randomUUID();
  readonly #letGo: () => Promise<void>;
  #daemon: ChildProcess | undefined;

  private constructor(directory: string) {
    this.directory = directory;
    this.#letGo = tether(directory);
  }

  static async start(options: LabLibvirtOptions = {}): Promise<LabLibvirt> {
    const parent = tmpdir().length <= LONGEST_PARENT ? tmpdir() : '/tmp';
    const libvirt = new LabLibvirt(await mkdtemp(join(parent, 'elv-')));
    try {
      await libvirt.#configure(options);
      await libvirt.#startDaemon();
    } catch (error) {
      await libvirt.stop();
      throw error;
    }
    return libvirt;
  }

  async #configure(options: LabLibvirtOptions): Promise<void> {
    const configuration = join(this.directory, 'c/libvirt');
    const cache = join(this.directory, 'k/libvirt/qemu/cache');
    const places = [
      configuration,
      cache,
      join(this.directory, 'r'),
      join(this.directory, 'd'),
      LIBVIRT_CACHE,
    ];
    for (const each of places) await mkdir(each, { recursive: true, mode: 0o700 });
    await symlink(LIBVIRT_CACHE, join(cache, 'capabilities'));
    await writeFile(
      join(configuration, 'libvirtd.conf'),
      `host_uuid = "${this.hostUuid}"\nlog_outputs = "3:file:${join(this.directory, 'libvirtd.log')}"\n`,
    );
    await writeFile(
      join(configuration, 'qemu.conf'),
      // Else it starts a virtlogd, which nobody would end.
      `stdio_handler = "file"\nsecurity_driver = "none"\n${options.qemuConf ?? ''}\n`,
    );
  }

  async #startDaemon(): Promise<void> {
    const output = join(this.directory, 'libvirtd.out');
    const said = await open(output, 'a');
    const daemon = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL'],
        // libvirtd would be the system's if it ran as root. In a user namespace it takes itself for an ordinary user,
        // while its files and QEMU's are root's own, as those of the tests and of the product. 1 is the user "daemon" of
        // every Debian: libvirtd wants one that has a name.
        ...(process.getuid?.() === 0
          ? ['unshare', '--user', '--map-user=1', '--map-group=1', 'setpriv', '--pdeathsig', 'KILL']
          : []),
        ...['libvirtd', '--config', join(this.directory, 'c/libvirt/libvirtd.conf')],
      ],
      { env: this.#daemonEnvironment(), stdio: ['ignore', said.fd, said.fd] },
    );
    await said.close();
    this.#daemon = daemon;
    await until(async () => {
      if (daemon.exitCode !== null || daemon.signalCode !== null)
        throw new Error(`libvirtd ended at once: ${await readFile(output, 'utf8')}`);
      return answers(this.socket);
    }, AbortSignal.timeout(PATIENCE_MS));
    await this.virsh('list');
  }

  #daemonEnvironment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      HOME: this.directory,
      XDG_RUNTIME_DIR: join(this.directory, 'r'),
      XDG_CONFIG_HOME: join(this.directory, 'c'),
      XDG_CACHE_HOME: join(this.directory, 'k'),
      XDG_DATA_HOME: join(this.directory, 'd'),
    };
  }

  get socket(): string {
    return join(this.directory, 'r/libvirt/libvirt-sock');
  }

  /** For `virsh -c`, and for the product. */
  get uri(): string {
    return `qemu:///session?socket=${this.socket}`;
  }

  /** Makes `virsh` talk to this libvirtd, and to none when it is dead. */
  environment(): Record<string, string> {
    return { LIBVIRT_DEFAULT_URI: this.uri, LIBVIRT_AUTOSTART: '0', LC_ALL: 'C' };
  }

  everthawEnvironment(): Readonly<Record<string, string>> {
    return { EVERTHAW_HOST: this.uri };
  }

  /** What virsh says. @throws Error when it fails */
  async virsh(...args: readonly string[]): Promise<string> {
    return (await run('virsh', args, { env: { ...process.env, ...this.environment() } })).stdout;
  }

  /** The same where a failure is what a test wants to see. */
  tryVirsh(...args: readonly string[]): Promise<Ran> {
    return run('virsh', args, { env: { ...process.env, ...this.environment() }, mayFail: true });
  }

  /** The daemon's process. */
  get pid(): number {
    return this.#daemon?.pid ?? 0;
  }

  /** Kills the daemon as a crash would; its VMs run on. */
  async kill(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon?.exitCode !== null || daemon.signalCode !== null) return;
    const exited = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await exited;
  }

  /** Starts the daemon again after it was killed, or instead of the one that runs. */
  async restart(): Promise<void> {
    await this.kill();
    await this.#startDaemon();
  }

  /** Ends the daemon and every VM, and removes the directory. */
  async stop(): Promise<void> {
    await this.kill();
    await this.#letGo();
  }
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket)
      .once('connect', () => {
        connection.destroy();
        resolve(true);
      })
      .once('error', () => {
        resolve(false);
      });
  });
}
