import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { EverthawError } from '../domain/errors.js';
import { until } from '../system/until.js';
import {
  isAlive,
  killProcess,
  notedProcess,
  noteProcess,
  processIdentity,
  type ProcessIdentity,
} from '../system/processIdentity.js';
import { exitOf, spawnTethered, tailOf } from '../system/program.js';
import { writeWhole } from '../system/wholeFile.js';

/** A file or URL served as a read-only NBD export on a local socket by nbdkit. */
export interface NbdServer {
  readonly socket: string;
  /** What nbdkit said last: why a read failed, which its client is not told. */
  said(): string;
  stop(): Promise<void>;
}

export interface NbdSource {
  readonly url: string;
  readonly cookie: string;
  readonly caFile: string | undefined;
  /** The export begins at this byte of the source: where a copy goes on. */
  readonly offsetBytes: number;
  readonly what: string;
  /**
   * A read that fails is tried for as long as this server lives: who reads file systems may take an error for data
   * (src/mounts/keeperProcess.ts). Where the session has ended it waits for {@link renewCookie}.
   */
  readonly neverGivesUp?: true;
}

const RETRIES = {
  few: ['retries=3', 'retry-delay=1'],
  endless: ['retries=1000000', 'retry-delay=1', 'retry-exponential=no'],
} as const;

const COOKIE = 'cookie';
/** Looked at each second in which something is read, in the server's own directory. */
const COOKIE_RENEWED = [`cookie-script=cat ${COOKIE}`, 'cookie-script-renew=1'];

/**
 * Starts nbdkit for an URL. Everything that names the server lies in `directory`, which is the caller's to remove: its pid
 * file, its socket, and the cookie, which nbdkit reads from a file so that nobody sees it in the list of processes.
 */
export async function startNbdServer(
  source: NbdSource,
  directory: string,
  signal: AbortSignal,
): Promise<NbdServer> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const socket = join(directory, 'nbd.sock');
  const ready = join(directory, 'ready');
  const cookie = cookieFile(directory);
  await writeWhole(cookie, cookieText(source.cookie));
  const child = spawnTethered(
    'nbdkit',
    [
      ...['--foreground', '--readonly', '--unix', socket, '--pidfile', ready, '--filter=retry'],
      ...(source.offsetBytes > 0 ? ['--filter=offset'] : []),
      ...['curl', `url=${source.url}`, 'timeout=60'],
      ...(source.neverGivesUp === true
        ? [...COOKIE_RENEWED, ...RETRIES.endless]
        : [`cookie=+${cookie}`, ...RETRIES.few]),
      ...(source.caFile === undefined ? [] : [`cainfo=${source.caFile}`]),
      ...(source.offsetBytes > 0 ? [`offset=${source.offsetBytes}`] : []),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], cwd: directory },
  );
  const tail = tailOf(child);
  let ended: number | string | undefined;
  void exitOf(child).then(
    (exit) => (ended = exit),
    (error: unknown) => (ended = String(error)),
  );
  const own = await processIdentity(child.pid ?? 0);
  await noteProcess(identityFile(directory), own);
  await until(
    async () => ended !== undefined || (await readFile(ready, 'utf8').catch(() => '')) !== '',
    signal,
  );
  if (ended !== undefined) {
    throw new EverthawError({
      code: 'ProgramFailed',
      what: `serve ${source.what} over NBD`,
      why: `nbdkit ended with ${ended} (${tail()})`,
      hint: 'see that nbdkit and its curl plugin are installed, and that the host answers',
      retry: 'again',
    });
  }
  return { socket, said: tail, stop: () => stopOwn(own, directory) };
}

/** Hands the server of a directory, one that never gives up, the cookie of a new session. One that is only being started has its own. */
export async function renewCookie(directory: string, cookie: string): Promise<void> {
  const file = cookieFile(directory);
  const now = await readFile(file, 'utf8').catch(() => undefined);
  if (now === undefined || now === cookieText(cookie)) return;
  try {
    await writeWhole(file, cookieText(cookie));
  } catch (error) {
    // The server was ended meanwhile, and its directory removed.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Ends a server by whoever started it. The directory may be a later one's by then: of an attempt that took this one for dead. */
async function stopOwn(own: ProcessIdentity, directory: string): Promise<void> {
  await killProcess(own);
  if (isDeepStrictEqual(await notedProcess(identityFile(directory)), own))
    await rm(directory, { recursive: true, force: true });
}

/** Ends the server of a directory, seen to be gone, and removes the directory with its cookie. */
export async function stopNbdServer(directory: string): Promise<void> {
  const identity = await notedProcess(identityFile(directory));
  if (identity !== undefined) await killProcess(identity);
  await rm(directory, { recursive: true, force: true });
}

export async function isNbdServerAlive(directory: string): Promise<boolean> {
  const identity = await notedProcess(identityFile(directory));
  return identity !== undefined && (await isAlive(identity));
}

function cookieText(cookie: string): string {
  return `vmware_soap_session=${cookie}`;
}

function cookieFile(directory: string): string {
  return join(directory, COOKIE);
}

function identityFile(directory: string): string {
  return join(directory, 'process.json');
}
