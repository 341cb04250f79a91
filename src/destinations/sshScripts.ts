import type { SourceProgram } from '../system/sourceProgram.js';
import type { SshShell } from '../system/sshShell.js';
import { PRELUDE, Scripts } from './scripts.js';

/** Shell scripts on another machine. */
export class SshScripts extends Scripts {
  readonly #ssh: SshShell;

  constructor(shell: SshShell) {
    super(shell);
    this.#ssh = shell;
  }

  /** One that moves a disk's bytes. */
  alone(script: string, args: readonly string[], what: string): SourceProgram {
    return this.#ssh.alone('sh', ['-c', PRELUDE + script, 'everthaw', ...args], what);
  }
}
