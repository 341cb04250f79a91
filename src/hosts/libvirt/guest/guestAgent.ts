import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { EverthawError, isErrorWithCode, messageOf } from '../../../domain/errors.js';
import type { Virsh } from '../connection/virsh.js';

/** An agent that lives answers at once; libvirt itself would wait for ever. */
const PING_SECONDS = 3;
const ANSWER_SECONDS = 10;
const TAIL_CHARACTERS = 1000;

const ANSWER = z.object({ return: z.unknown() });
const OS_INFO = z.object({ id: z.string().optional() });
const INFO = z.object({
  supported_commands: z.array(z.object({ name: z.string(), enabled: z.boolean() })),
});
const STARTED = z.object({ pid: z.number().int() });
const EXEC_STATUS = z.object({
  exited: z.boolean(),
  exitcode: z.number().int().optional(),
  signal: z.number().int().optional(),
  'out-data': z.string().default(''),
  'err-data': z.string().default(''),
});

/** How a program in the guest ended. */
export interface GuestExit {
  readonly exitCode: number;
  /** The end of what it printed. */
  readonly output: string;
}

/** The QEMU guest agent of a VM, asked through libvirt, which has its socket. */
export class GuestAgent {
  readonly #virsh: Virsh;
  readonly #uuid: string;

  constructor(virsh: Virsh, uuid: string) {
    this.#virsh = virsh;
    this.#uuid = uuid;
  }

  async answers(): Promise<boolean> {
    return this.#ask('guest-ping', {}, PING_SECONDS).then(
      () => true,
      () => false,
    );
  }

  /** Commands that it has and that are not switched off in it. */
  async commands(): Promise<ReadonlySet<string>> {
    const { supported_commands } = INFO.parse(await this.#ask('guest-info'));
    return new Set(supported_commands.filter(({ enabled }) => enabled).map(({ name }) => name));
  }

  async isWindows(): Promise<boolean> {
    const info = await this.#ask('guest-get-osinfo').catch((error: unknown) => {
      // An old agent knows no such command: it is no Windows of this century. One that does not answer may be anything.
      if (isErrorWithCode(error, 'QuiesceFailed') && isSwitchedOff(error.why)) return {};
      throw error;
    });
    return OS_INFO.parse(info).id === 'mswindows';
  }

  /** Whether the agent holds the guest's file systems frozen, as far as it knows. */
  async isFrozen(): Promise<boolean> {
    return (await this.#ask('guest-fsfreeze-status')) === 'frozen';
  }

  /**
   * Runs a program in the guest to its end; undefined where it does not end in time, and then it is killed.
   *
   * @throws EverthawError QuiesceFailed where the agent does not run programs
   */
  async run(
    path: string,
    args: readonly string[],
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<GuestExit | undefined> {
    const { pid } = STARTED.parse(
      await this.#ask('guest-exec', { path, arg: args, 'capture-output': true }, ANSWER_SECONDS),
    );
    const deadline = Date.now() + timeoutMs;
    // Most of what is run is over in a moment, and a guest may wait for it.
    for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 500)) {
      const status = EXEC_STATUS.parse(await this.#ask('guest-exec-status', { pid }));
      if (status.exited) {
        return {
          exitCode: status.exitcode ?? 128 + (status.signal ?? 0),
          output: tailOf(decoded(status['out-data']) + decoded(status['err-data'])),
        };
      }
      if (signal?.aborted === true || Date.now() > deadline) {
        await this.#kill(pid);
        signal?.throwIfAborted();
        return undefined;
      }
      await sleep(pauseMs);
    }
  }

  /** Best effort: on Windows there is no such program, and what hangs there goes on. */
  async #kill(pid: number): Promise<void> {
    await this.#ask('guest-exec', {
      path: '/bin/sh',
      arg: ['-c', 'kill -KILL "$1"', 'sh', String(pid)],
    }).catch(() => undefined);
  }

  async #ask(execute: string, args: object = {}, seconds = ANSWER_SECONDS): Promise<unknown> {
    const what = `ask the guest agent of VM ${this.#uuid} (${execute})`;
    const command = JSON.stringify({ execute, arguments: args });
    try {
      const printed = await this.#virsh.run(what, [
        ...['qemu-agent-command', this.#uuid, command],
        ...['--timeout', String(seconds)],
      ]);
      return ANSWER.parse(JSON.parse(printed)).return;
    } catch (error) {
      if (error instanceof EverthawError && ['HostUnreachable', 'VmNotFound'].includes(error.code))
        throw error;
      throw refused(what, execute, error);
    }
  }
}

function refused(what: string, execute: string, error: unknown): EverthawError {
  const said = error instanceof EverthawError ? error.why : messageOf(error);
  const isOff = isSwitchedOff(said);
  return new EverthawError({
    code: 'QuiesceFailed',
    what,
    why: isOff ? `the guest’s agent does not allow ${execute} (${said})` : said,
    hint: isOff
      ? 'let the guest agent run programs (distributions switch guest-exec off in /etc/sysconfig/qemu-ga or /etc/qemu/qemu-ga.conf), or allow a freeze without scripts and switch with --freeze-unguarded'
      : 'see that qemu-guest-agent runs in the guest',
    cause: error,
  });
}

function isSwitchedOff(said: string): boolean {
  return /has been disabled|not been found|not allowed/.test(said) && !said.includes('frozen state');
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function tailOf(output: string): string {
  return output.trim().slice(-TAIL_CHARACTERS);
}
