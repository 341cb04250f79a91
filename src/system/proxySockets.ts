import { createHash, randomBytes } from 'node:crypto';
import { access, lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EverthawError } from '../domain/errors.js';
import { ownPid } from './processIdentity.js';

/** The longest path of a socket, less the longest name here and what ssh adds to it while it makes one. */
const LONGEST_DIRECTORY_BYTES = 107 - 48;

const EXPORT = /^(\d+)-[0-9a-f]+\.nbd$/;

/** The sockets of this proxy by which hosts' exports and connections are reached, in a directory that nobody else gets into. */
export class ProxySockets {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws EverthawError NotPermitted where the directory is somebody else's */
  static async open(stateDirectory: string): Promise<ProxySockets> {
    const beside = join(stateDirectory, 'sockets');
    const isShort = Buffer.byteLength(beside) <= LONGEST_DIRECTORY_BYTES;
    const directory = isShort ? beside : `/tmp/.everthaw-${digest(beside)}`;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await refuseForeign(directory);
    await removeDead(directory);
    return new ProxySockets(directory);
  }

  /** Where the ssh connection is found that several share. */
  control(destination: string, port: number | undefined): string {
    return join(this.#directory, digest(`${destination} ${port ?? ''}`));
  }

  /** A new socket of this process's own, for an export. */
  forExport(): string {
    return join(this.#directory, `${ownPid()}-${randomBytes(6).toString('hex')}.nbd`);
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

async function refuseForeign(directory: string): Promise<void> {
  const { uid, mode } = await lstat(directory);
  if (uid === process.getuid?.() && (mode & 0o170077) === 0o040000) return;
  throw new EverthawError({
    code: 'NotPermitted',
    what: 'make a place for sockets',
    why: `others may write to ${directory}`,
    hint: 'remove it, or set EVERTHAW_STATE to a directory of this user’s own',
  });
}

/** What was killed has left its socket behind; ssh itself replaces that of a dead connection. */
async function removeDead(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = EXPORT.exec(name)?.[1];
    if (pid !== undefined && !(await isThere(`/proc/${pid}`)))
      await rm(join(directory, name), { force: true });
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
