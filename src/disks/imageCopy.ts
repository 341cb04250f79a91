import type { ImageFormat } from '../domain/diskFiles.js';
import { saysFull, unwritable } from './writeFault.js';
import { exitOf, programFailed, spawnTethered, tailOf } from '../system/program.js';

/** A named NBD export on a local socket. */
export interface NamedExport {
  readonly socket: string;
  readonly exportName: string;
  /** What it is, for errors: `disk virtio0:0 of "vm37"`. */
  readonly what: string;
}

export interface ImageFile {
  readonly file: string;
  readonly format: ImageFormat;
}

/**
 * Copies an export into a new image by the field's own programs: they ask for what is zeros and leave it out, and have many
 * requests on the way at once. nbdcopy is the faster into a plain file; qemu-img writes all the others.
 *
 * @throws EverthawError DestinationFull, ProgramFailed
 */
export async function copyToImage(
  source: NamedExport,
  target: ImageFile,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { program, args } = target.format === 'raw' ? nbdcopy(source, target) : qemuImg(source, target);
  const child = spawnTethered(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const tail = tailOf(child);
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    // qemu-img: "    (12.50/100%)\r"; nbdcopy: "12/100\n".
    const percent = /(\d+(?:\.\d+)?)\/100%?\)?\s*$/.exec(text)?.[1];
    if (percent !== undefined) onProgress(Number(percent) / 100);
  });
  try {
    const exit = await exitOf(child);
    signal.throwIfAborted();
    if (exit === 0) return;
    if (saysFull(tail())) throw unwritable(target.file, 'ENOSPC', tail());
    throw programFailed({ program, what: source.what }, exit, tail());
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

function nbdcopy({ socket, exportName }: NamedExport, { file }: ImageFile): Command {
  const uri = `nbd+unix:///${encodeURIComponent(exportName)}?socket=${encodeURIComponent(socket)}`;
  return { program: 'nbdcopy', args: ['--progress=1', '--', uri, file] };
}

/** The source as JSON, in which no character of a path means anything to qemu-img. */
function qemuImg({ socket, exportName }: NamedExport, { file, format }: ImageFile): Command {
  const nbd = { driver: 'nbd', server: { type: 'unix', path: socket }, export: exportName };
  const source = `json:${JSON.stringify({ driver: 'raw', file: nbd })}`;
  return { program: 'qemu-img', args: ['convert', '-p', '-O', format, '-W', '-m', '8', source, file] };
}
