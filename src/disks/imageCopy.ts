import { exitOf, programFailed, spawnTethered, tailOf } from './program.js';
import { unwritable } from './copier.js';

/** A named NBD export on a local socket. */
export interface NamedExport {
  readonly socket: string;
  readonly exportName: string;
  /** What it is, for errors: `disk virtio0:0 of "vm37"`. */
  readonly what: string;
}

export interface ImageFile {
  readonly file: string;
  readonly format: 'qcow2' | 'vmdk';
}

/**
 * Copies an export into a new image, by qemu-img: it asks for what is zeros and leaves it out, reads with many requests at once
 * and writes every form of image that we keep.
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
  const child = spawnTethered(
    'qemu-img',
    ['convert', '-p', '-f', 'raw', '-O', target.format, '-W', '-m', '8', nbdUri(source), target.file],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const tail = tailOf(child);
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)\s*$/.exec(text)?.[1];
    if (percent !== undefined) onProgress(Number(percent) / 100);
  });
  try {
    const exit = await exitOf(child);
    signal.throwIfAborted();
    if (exit === 0) return;
    if (/No space left|Disk quota exceeded/i.test(tail())) throw unwritable(target.file, 'ENOSPC', tail());
    throw programFailed({ program: 'qemu-img', what: source.what }, exit, tail());
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** As JSON, in which no character of a path means anything to qemu-img. */
function nbdUri({ socket, exportName }: NamedExport): string {
  const driver = { driver: 'nbd', server: { type: 'unix', path: socket }, export: exportName };
  return `json:${JSON.stringify({ driver: 'raw', file: driver })}`;
}
