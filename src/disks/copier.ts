import type { ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { EverthawError } from '../domain/errors.js';
import type { Range } from '../domain/extents.js';
import { killProcess, notedProcess, noteProcess, processIdentity } from '../system/processIdentity.js';
import { exitOf, programFailed, spawnTethered, tailOf } from '../system/program.js';
import type { SourceProgram } from '../system/sourceProgram.js';
import { unsent, unwritable } from './writeFault.js';

/** An NBD export on a local socket. */
export interface NbdExport {
  readonly socket: string;
  /** The default export where there is none. */
  readonly exportName?: string;
  /** What it is, for errors: `disk scsi0:0 of "vm37"`. */
  readonly what: string;
}

/** What the copying process is told. */
export interface CopyOrder {
  readonly source: SourceProgram | NbdExport;
  /** Its path; where another program keeps it, how it is told. */
  readonly file: string;
  /** A program that the file is sent to, whole and from its front (src/disks/blockPipe.ts). */
  readonly into?: SourceProgram;
  /** What lies before it in the file is kept, and hashed again; without an image it is where the source begins. */
  readonly offsetBytes: number;
  /** The file is to be a qcow2 image of the export, of which only these clusters hold data. */
  readonly image?: { readonly capacityBytes: number; readonly data: readonly Range[] };
  /** Leave runs of zeros as holes. */
  readonly sparse: boolean;
}

/** What the copying process says. `durableBytes` were fdatasynced. */
export type CopyReport =
  | { readonly kind: 'progress'; readonly bytes: number; readonly durableBytes: number }
  | { readonly kind: 'done'; readonly sizeBytes: number; readonly sha256: string }
  | {
      readonly kind: 'failed';
      readonly program: string;
      readonly exit: number | string;
      readonly tail: string;
    }
  | { readonly kind: 'unreadable'; readonly message: string }
  | {
      readonly kind: 'unsent';
      /** Whether the program had begun to take bytes. */
      readonly hasBegun: boolean;
      readonly exit: number | string;
      readonly tail: string;
    }
  | { readonly kind: 'unwritable'; readonly code: string; readonly message: string };

export interface Copied {
  readonly sizeBytes: number;
  /** Of the whole stored file, lower-case hex. */
  readonly sha256: string;
}

const PROCESS = fileURLToPath(new URL('./copierProcess.js', import.meta.url));

/** A process that copies, or waits to be told what. */
export interface Copier {
  readonly process: ChildProcess;
  readonly ended: Promise<number | string>;
  /** What it said last. */
  readonly tail: () => string;
}

/** Starts one before it is needed, for it takes as long to start as an export to open. Whoever starts it ends it. */
export function startCopier(): Copier {
  const child = spawnTethered(process.execPath, [PROCESS], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const ended = exitOf(child);
  // Told to whoever waits for it; one that is not needed after all has nobody.
  ended.catch(() => undefined);
  return { process: child, ended, tail: tailOf(child) };
}

export function endCopier({ process: child }: Copier): void {
  child.kill('SIGKILL');
}

/**
 * Streams a program's output or an NBD export into a file: hashed on the way, sparse, in constant memory, in a process of its own. A file has
 * one writer: the writer of an earlier attempt that still lives is killed first, so that it cannot write into a file that
 * has become a restore point. Of a file on another machine whoever names it sees to that.
 */
export async function copyToFile(
  order: CopyOrder,
  onProgress: (bytes: number, durableBytes: number) => void,
  signal: AbortSignal,
  copier = startCopier(),
): Promise<Copied> {
  const kill = (): void => {
    endCopier(copier);
  };
  signal.addEventListener('abort', kill, { once: true });
  try {
    if (order.into === undefined) await fence(order.file);
    signal.throwIfAborted();
    return await copyBy(copier, order, onProgress, signal);
  } finally {
    signal.removeEventListener('abort', kill);
    kill();
  }
}

async function copyBy(
  { process: child, ended, tail }: Copier,
  order: CopyOrder,
  onProgress: (bytes: number, durableBytes: number) => void,
  signal: AbortSignal,
): Promise<Copied> {
  let last: CopyReport | undefined;
  child.on('message', (message) => {
    last = message as CopyReport;
    if (last.kind === 'progress') onProgress(last.bytes, last.durableBytes);
  });
  try {
    // It writes nothing before it has its order: whoever finds half a note has nobody to fear.
    if (order.into === undefined)
      await noteProcess(writerFile(order.file), await processIdentity(child.pid ?? 0));
    child.send(order);
    const exit = await ended;
    signal.throwIfAborted();
    return outcome(order, last, exit, tail());
  } finally {
    // It is named for as long as it may write.
    child.kill('SIGKILL');
    if (order.into === undefined) await rm(writerFile(order.file), { force: true });
  }
}

/** Where the file's writer is named while there is one. */
function writerFile(file: string): string {
  return `${file}.writer`;
}

async function fence(file: string): Promise<void> {
  const earlier = await notedProcess(writerFile(file));
  if (earlier !== undefined) await killProcess(earlier);
}

function outcome(
  order: CopyOrder,
  report: CopyReport | undefined,
  exit: number | string,
  tail: string,
): Copied {
  switch (report?.kind) {
    case 'done':
      return { sizeBytes: report.sizeBytes, sha256: report.sha256 };
    case 'failed':
      throw programFailed({ program: report.program, what: order.source.what }, report.exit, report.tail);
    case 'unreadable':
      throw new EverthawError({
        code: 'ProgramFailed',
        what: `transfer ${order.source.what}`,
        why: report.message,
        hint: 'see that the host answers, and run it again',
        retry: 'again',
      });
    case 'unsent':
      throw unsent(order.file, report.hasBegun, report.exit, report.tail);
    case 'unwritable':
      throw unwritable(order.file, report.code, report.message);
    case 'progress':
    case undefined:
      throw new EverthawError({
        code: 'ProgramFailed',
        what: `copy ${order.source.what}`,
        why: `the copying process ended with ${exit} before it was done${tail === '' ? '' : ` (${tail})`}`,
        hint: 'it was killed, or the machine is short of memory: run it again',
        retry: 'again',
      });
  }
}
