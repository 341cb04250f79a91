import { EverthawError } from '../../domain/errors.js';
import type { CommandOptions, HostShell } from './hostShell.js';

/**
 * libvirt, through its own command: there is no well-kept binding for Node, and virsh speaks every version's protocol. It runs on
 * the hypervisor's machine, so that paths and sockets mean the same to it and to us.
 */
export class Virsh {
  readonly shell: HostShell;
  readonly #uri: string;

  /** `uri` as it is on the hypervisor's own machine: `qemu:///system`. */
  constructor(shell: HostShell, uri: string) {
    this.shell = shell;
    this.#uri = uri;
  }

  /** What one virsh command prints. `what` it is for, for errors. */
  async run(what: string, args: readonly string[], options?: CommandOptions): Promise<string> {
    const { exit, stdout, stderr } = await this.shell.run(
      'env',
      ['LC_ALL=C', 'virsh', '--quiet', '-c', this.#uri, ...args],
      options,
    );
    if (exit === 0) return stdout;
    throw virshFault(what, exit, stderr.trim());
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
