import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { until } from '../../src/system/until.js';
import type { LabHost } from './everthaw.js';
import { freePort } from './freePort.js';
import { processesWith } from './leftovers.js';
import type { LabLibvirt } from './libvirt.js';
import { SSHD } from './programs.js';
import { run } from './run.js';
import { tether } from './tether.js';

const PATIENCE_MS = 30_000;
const ADDRESS = '127.0.0.1';

/** Carried by every process that somebody started through it, orphans too. */
const MARK = 'EVERTHAW_LAB_SSHD';

/**
 * A real sshd on the loopback, with keys and configuration of its own, that lets in who runs the tests and nobody else. It ends
 * with this process.
 *
 * The product uses the user's own OpenSSH configuration, which ssh looks for where the passwd database says, whatever HOME is. So
 * that it is not touched, a program `ssh` that comes first in PATH names another: everything else is OpenSSH's and the product's own.
 */
export class LabSshd implements LabHost {
  readonly directory: string;
  readonly port: number;
  readonly #libvirt: LabLibvirt | undefined;
  readonly #letGo: () => Promise<void>;
  #daemon: ChildProcess | undefined;

  private constructor(libvirt: LabLibvirt | undefined, directory: string, port: number) {
    this.#libvirt = libvirt;
    this.directory = directory;
    this.port = port;
    this.#letGo = tether(directory);
  }

  /** The way over ssh to this machine, and to a libvirt of the lab on it. */
  static async start(libvirt?: LabLibvirt): Promise<LabSshd> {
    const sshd = new LabSshd(libvirt, await mkdtemp(join(tmpdir(), 'everthaw-sshd-')), await freePort());
    try {
      await sshd.#configure();
      await sshd.startDaemon();
    } catch (error) {
      await sshd.stop();
      throw error;
    }
    return sshd;
  }

  /** As the product is told of it. */
  get uri(): string {
    const user = encodeURIComponent(userInfo().username);
    return `qemu+ssh://${user}@${ADDRESS}:${this.port}/session?socket=${this.#libvirt?.socket ?? ''}`;
  }

  /** A directory, as a destination on another machine. */
  scpUrl(path: string): string {
    return `scp://${userInfo().username}@${ADDRESS}:${this.port}${path}`;
  }

  /** Copies a directory from there, as a person does it by hand. */
  async fetch(path: string, to: string): Promise<void> {
    const from = `${userInfo().username}@${ADDRESS}:${path}`;
    await run('scp', ['-q', '-r', '-O', '-S', this.#path('bin/ssh'), '-P', String(this.port), from, to]);
  }

  everthawEnvironment(): Readonly<Record<string, string>> {
    return { EVERTHAW_HOST: this.uri, ...this.environment };
  }

  /** What leads a program to the lab's ssh. */
  get environment(): Readonly<Record<string, string>> {
    return { PATH: `${this.#path('bin')}${delimiter}${process.env['PATH'] ?? ''}` };
  }

  #path(name: string): string {
    return join(this.directory, name);
  }

  async #configure(): Promise<void> {
    await this.newHostKey();
    await this.trustHostKey();
    await this.#newKey('user_key');
    await this.allowKey();
    await writeFile(
      this.#path('sshd_config'),
      [
        ...[`Port ${this.port}`, `ListenAddress ${ADDRESS}`, 'PidFile none', 'UsePAM no'],
        ...[`HostKey ${this.#path('host_key')}`, `AuthorizedKeysFile ${this.#path('authorized_keys')}`],
        // It would have no directory on the way to those that others may write to, as /tmp.
        ...['StrictModes no', 'PasswordAuthentication no', 'KbdInteractiveAuthentication no'],
        `SetEnv ${MARK}=${this.directory}`,
        ...sessionPrograms(),
        '',
      ].join('\n'),
    );
    await writeFile(
      this.#path('ssh_config'),
      [
        ...['Host *', `IdentityFile ${this.#path('user_key')}`, 'IdentitiesOnly yes', 'IdentityAgent none'],
        ...[`UserKnownHostsFile ${this.#path('known_hosts')}`, 'GlobalKnownHostsFile /dev/null', ''],
      ].join('\n'),
    );
    const ssh = (await run('sh', ['-c', 'command -v ssh'])).stdout.trim();
    await mkdir(this.#path('bin'));
    await writeFile(
      this.#path('bin/ssh'),
      `#!/bin/sh\nexec '${ssh}' -F '${this.#path('ssh_config')}' "$@"\n`,
      {
        mode: 0o755,
      },
    );
  }

  async #newKey(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', this.#path(name)]);
  }

  /** The host as it is when it was set up anew, or when somebody else answers in its place. For the next start. */
  newHostKey(): Promise<void> {
    return this.#newKey('host_key');
  }

  /** Makes the host's key known to who connects; without it the host is a stranger. */
  async trustHostKey(isKnown = true): Promise<void> {
    const key = await readFile(this.#path('host_key.pub'), 'utf8');
    await writeFile(this.#path('known_hosts'), isKnown ? `[${ADDRESS}]:${this.port} ${key}` : '');
  }

  /** Lets the lab's key in, or nobody. */
  async allowKey(isAllowed = true): Promise<void> {
    const key = await readFile(this.#path('user_key.pub'), 'utf8');
    await writeFile(this.#path('authorized_keys'), isAllowed ? key : '');
  }

  /** Starts it again after {@link kill}. */
  async startDaemon(): Promise<void> {
    const log = this.#path('sshd.log');
    const said = await open(log, 'a');
    const sshd = [join(SSHD, 'usr/sbin/sshd'), '-D', '-e', '-f', this.#path('sshd_config')];
    const daemon = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL'],
        ...(process.getuid?.() === 0
          ? ['unshare', '--mount', '--propagation', 'slave', 'sh', '-c', AS_ROOT, 'sshd', this.directory]
          : []),
        ...sshd,
      ],
      { env: { ...process.env, LD_LIBRARY_PATH: libraries() }, stdio: ['ignore', said.fd, said.fd] },
    );
    await said.close();
    this.#daemon = daemon;
    await until(async () => {
      if (daemon.exitCode !== null || daemon.signalCode !== null)
        throw new Error(`sshd ended at once: ${await readFile(log, 'utf8')}`);
      return answers(this.port);
    }, AbortSignal.timeout(PATIENCE_MS));
  }

  /** Nobody gets in any more; who is in stays. */
  async kill(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon?.exitCode !== null || daemon.signalCode !== null) return;
    const exited = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await exited;
  }

  /** Cuts every connection, as a network does that fails; what runs at their far ends is left to itself. */
  cut(): Promise<number> {
    return this.#signal('SIGKILL');
  }

  /** Every connection stands still, until {@link resume} or {@link cut}. */
  stall(): Promise<number> {
    return this.#signal('SIGSTOP');
  }

  resume(): Promise<number> {
    return this.#signal('SIGCONT');
  }

  async #signal(signal: NodeJS.Signals): Promise<number> {
    const connections = await this.connections();
    for (const pid of connections) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended with another one.
      }
    }
    return connections.length;
  }

  /** The processes of sshd that serve a connection. */
  async connections(): Promise<readonly number[]> {
    const found: number[] = [];
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name) || Number(name) === this.#daemon?.pid) continue;
      const program = await readlink(`/proc/${name}/exe`).catch(() => '');
      if (!program.startsWith(`${SSHD}/`)) continue;
      // Their command line is overwritten by what they do; this is not.
      const log = await readlink(`/proc/${name}/fd/2`).catch(() => '');
      if (log === this.#path('sshd.log')) found.push(Number(name));
    }
    return found;
  }

  /** What runs on the host that was started through it: `virsh`, `sh`, `qemu-nbd`. */
  remotePrograms(): readonly string[] {
    const seen = processesWith(`${MARK}=${this.directory}`);
    return seen.map(({ program, pid }) => `${program} (${pid})`);
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.cut();
    await this.#letGo();
  }
}

/**
 * As root sshd needs a user of its own and an account of root's that is not locked, and a plain shell of root's is the faster: they
 * are made for it alone, in a view of the file system that nobody else has. Its empty directory is that of Debian's own service.
 */
const AS_ROOT = `
directory=$1
shift
mkdir -p -m 755 /run/sshd && sed '/^root:/ s|[^:]*$|/bin/sh|' /etc/passwd > "$directory/passwd" || exit 1
getent passwd sshd > /dev/null || echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin' >> "$directory/passwd"
echo 'root:*:19000:0:99999:7:::' > "$directory/shadow"
mount --bind "$directory/passwd" /etc/passwd && mount --bind "$directory/shadow" /etc/shadow || exit 1
exec "$@"
`;

/** Newer versions consist of several programs. */
function sessionPrograms(): readonly string[] {
  return Object.entries({ SshdSessionPath: 'sshd-session', SshdAuthPath: 'sshd-auth' })
    .map(([setting, name]) => [setting, join(SSHD, 'usr/lib/openssh', name)] as const)
    .filter(([, path]) => existsSync(path))
    .map((line) => line.join(' '));
}

function libraries(): string {
  const base = join(SSHD, 'usr/lib');
  return readdirSync(base)
    .map((name) => join(base, name))
    .join(':');
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(port, ADDRESS)
      .once('data', () => {
        connection.destroy();
        resolve(true);
      })
      .once('error', () => {
        resolve(false);
      });
  });
}
