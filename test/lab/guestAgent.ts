import { setTimeout as sleep } from 'node:timers/promises';
import type { LabLibvirt } from './libvirt.js';
import type { Ran } from './run.js';

interface ExecStatus {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
  readonly 'err-data'?: string;
}

/** A command of the guest agent, by virsh. @throws Error when the agent refuses or does not answer */
export async function askAgent<T>(
  libvirt: LabLibvirt,
  name: string,
  execute: string,
  args: object = {},
): Promise<T> {
  const command = JSON.stringify({ execute, arguments: args });
  // Else virsh waits for ever for the agent of a VM that is paused.
  const said = await libvirt.virsh('qemu-agent-command', name, command, '--timeout', '20');
  return (JSON.parse(said) as { readonly return: T }).return;
}

/** Runs a program in the guest to its end; a signal counts as code 128 and its number. */
export async function execInGuest(
  libvirt: LabLibvirt,
  name: string,
  [path = '', ...arg]: readonly string[],
): Promise<Ran> {
  const { pid } = await askAgent<{ pid: number }>(libvirt, name, 'guest-exec', {
    path,
    arg,
    'capture-output': true,
  });
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    const status = await askAgent<ExecStatus>(libvirt, name, 'guest-exec-status', { pid });
    if (status.exited) {
      return {
        code: status.exitcode ?? 128 + (status.signal ?? 0),
        stdout: decode(status['out-data']),
        stderr: decode(status['err-data']),
      };
    }
    await sleep(pauseMs);
  }
}

function decode(base64 = ''): string {
  return Buffer.from(base64, 'base64').toString();
}
