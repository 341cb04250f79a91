import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ran } from '../lab/run.js';
import { filesIn } from './imageBackup.js';

/** A directory for images and backups made of them, and `everthaw files` with a state directory of its own there. */
export class FilesLab {
  readonly directory: string;
  readonly state: string;
  readonly files: (...words: readonly string[]) => Promise<Ran>;
  #copies = 0;

  private constructor(directory: string) {
    this.directory = directory;
    this.state = join(directory, 'state');
    this.files = filesIn(this.state);
  }

  static async start(): Promise<FilesLab> {
    return new FilesLab(await mkdtemp(join(tmpdir(), 'everthaw-files-')));
  }

  async stop(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  readonly at = (name: string): string => join(this.directory, name);

  /** Copies into a new directory, and says where. */
  readonly get = async (
    backup: string,
    ...paths: readonly string[]
  ): Promise<{ readonly to: string; readonly ran: Ran }> => {
    const to = this.at(`copy${++this.#copies}`);
    return { to, ran: await this.files('get', backup, ...paths, '--to', to) };
  };

  /** What still runs, or is mounted, of what commands with this state directory opened. */
  readonly leftOpen = async (): Promise<readonly string[]> => {
    const scratch = join(this.state, 'volumes');
    const processes = await readdir('/proc');
    const words = await Promise.all(
      processes
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
    );
    const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
    return [...words, ...mounts].filter((line) => line.includes(scratch));
  };
}
