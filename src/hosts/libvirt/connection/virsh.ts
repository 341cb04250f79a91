import { EverthawError } from '../../../domain/errors.js';
import { PATIENCE_MS, type CommandOptions, type HostShell } from '../../../system/hostShell.js';
import { VirshSession, type Answer } from './virshSession.js';

/**
 * libvirt, through its own command: there is no well-kept binding for Node, and virsh speaks every version's protocol. It runs on
 * the hypervisor's machine, so that paths and sockets mean the same to it and to us.
 */
export class Virsh {
  readonly shell: HostShell;
  readonly #uri: string;
  /** Open sessions that nobody asks anything just now; each ends by itself when that lasts. */
  readonly #idle: VirshSession[] = [];

  /** `uri` as it is on the hypervisor's own machine: `qemu:///system`. */
  constructor(shell: HostShell, uri: string) {
    this.shell = shell;
    this.#uri = uri;
  }

  /** What one virsh command prints. `what` it is for, for errors. */
  async run(what: string, args: readonly string[], options?: Omit<CommandOptions, 'stdin'>): Promise<string> {
    const { output, said } = await this.ask(what, args.map(virshWord).join(' '), options);
    if (said === '') return output;
    throw virshFault(what, 1, said);
  }

  /**
   * What a line of commands prints that semicolons separate, each done whatever became of the one before it; and what virsh said
   * against them.
   *
   * @throws EverthawError where libvirt was not reached at all
   */
  async ask(
    what: string,
    line: string,
    { timeoutMs = PATIENCE_MS, signal }: Omit<CommandOptions, 'stdin'> = {},
  ): Promise<Answer> {
    if (/[\n\r\0]/.test(line)) throw virshFault(what, 1, 'virsh cannot be given a line end');
    let session = this.#idle.pop();
    // One whose connection was cut meanwhile is of no use.
    while (session?.isUsable === false) session = this.#idle.pop();
    session ??= this.#open();
    const answer = await session.ask(what, line, timeoutMs, signal);
    const said = answer.said
      .split('\n')
      .filter((each) => each.startsWith('error: ') && !RECONNECTED.test(each))
      .join('\n');
    const fault = said === '' ? undefined : virshFault(what, 1, said);
    if (fault?.code === 'HostUnreachable') {
      session.close();
      throw fault;
    }
    this.#idle.push(session);
    return { output: answer.output, said };
  }

  /** Ends the sessions, and returns when they are gone. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((session) => session.end()));
  }

  #open(): VirshSession {
    const args = ['LC_ALL=C', 'virsh', '--quiet', '-c', this.#uri];
    return new VirshSession(this.shell.command('env', args, 'virsh'), this.shell.where);
  }

  /**
   * What a shell script prints that runs on the hypervisor's machine, where several steps are to be one round trip. In it `v` is
   * virsh and "$1" the first of `args`, which are never part of the script's text.
   */
  async script(
    what: string,
    text: string,
    args: readonly string[],
    options?: CommandOptions,
  ): Promise<string> {
    const { exit, stdout, stderr } = await this.shell.run(
      'sh',
      ['-c', PRELUDE + text, 'everthaw', this.#uri, ...args],
      options,
    );
    if (exit === 0) return stdout;
    throw virshFault(what, exit, stderr.trim());
  }
}

/** A session that finds its connection broken makes it anew, and says so as if that were an error. */
const RECONNECTED = /^error: (Reconnected to the hypervisor|Disconnected from )/;

/** Descriptor 9 is what our scripts lock by; a daemon that virsh may start must not inherit the lock. */
const PRELUDE = `
uri=$1
shift
v() { env LC_ALL=C virsh --quiet -c "$uri" "$@" 9>&-; }
`;

/** A text as one word for virsh's own parser, where several commands are given to one virsh. */
export function virshWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const FAULTS: readonly {
  readonly pattern: RegExp;
  readonly code: EverthawError['code'];
  readonly hint: string;
}[] = [
  {
    pattern: /Domain not found|no domain with matching/i,
    code: 'VmNotFound',
    hint: 'see what there is with everthaw vms',
  },
  {
    pattern:
      /failed to connect to the hypervisor|Failed to connect socket|End of file while reading|client socket is closed/i,
    code: 'HostUnreachable',
    hint: 'see that libvirtd runs and that this user may use it',
  },
  {
    pattern: /guest agent (is not (connected|responding|configured)|not available)|QEMU guest agent/i,
    code: 'QuiesceFailed',
    hint: 'see that qemu-guest-agent runs in the guest',
  },
  {
    pattern: /cannot acquire state change lock|another job|already (active|in progress)|block job/i,
    code: 'ResourceBusy',
    hint: 'something else works on this VM: virsh domjobinfo says what',
  },
  {
    pattern: /authentication|permission denied|access denied/i,
    code: 'NotPermitted',
    hint: 'let this user use libvirt',
  },
  { pattern: /virsh.*No such file/i, code: 'ProgramMissing', hint: 'install libvirt-clients there' },
  {
    pattern: /\w: (command )?not found$/m,
    code: 'ProgramMissing',
    hint: 'install it on the hypervisor’s machine (qemu-nbd is in qemu-utils, flock in util-linux)',
  },
];

export function virshFault(what: string, exit: number, said: string): EverthawError {
  const why = said.replace(/^error: /gm, '').trim();
  const known = FAULTS.find(({ pattern }) => pattern.test(said));
  return new EverthawError({
    code: known?.code ?? 'HostFault',
    what,
    why: why === '' ? `virsh ended with ${exit}` : why,
    hint: known?.hint ?? 'see the log of libvirtd',
    retry: known?.code === 'VmNotFound' ? 'final' : 'again',
  });
}
