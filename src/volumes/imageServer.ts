import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestDisk } from '../domain/manifest.js';
import { exitOf, spawnTethered, tailOf } from '../system/program.js';
import { until } from '../system/until.js';
import { inPlainWords, NOT_FOUND, saidBy, toolFailed, toolMissing, type Surroundings } from './tool.js';
import type { ImageDisk } from './volume.js';

/** A part of an image, as a read-only file. */
export interface ImagePart {
  readonly image: ImageDisk;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** Name of its file. */
  readonly name: string;
}

export interface ImageServer {
  /** Its files are gone with it. */
  stop(): Promise<void>;
  /** Resolves when it ended by itself, or was stopped, with what it said last. */
  readonly ended: Promise<string>;
}

const PROGRAM = 'qemu-storage-daemon';
const READY_MS = 30_000;

/**
 * Shows parts of images as read-only files in a directory, by a process that reads the images' formats. A format is always said,
 * never guessed: a guest could write a header on a raw disk that names another file.
 *
 * @throws EverthawError ProgramMissing; ProgramFailed
 */
export async function serveImages(
  parts: readonly ImagePart[],
  directory: string,
  around: Surroundings = 'its own',
): Promise<ImageServer> {
  for (const { name } of parts) await writeFile(join(directory, name), '');
  const ready = join(directory, '.ready');
  const command = inPlainWords(PROGRAM, [...nodesAndExports(parts, directory), '--pidfile', ready], around);
  const child = spawnTethered(command.program, command.args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const tail = tailOf(child);
  const what = 'open the disks';
  let ended: number | string | undefined;
  const end = exitOf(child).then(
    (exit) => (ended = exit),
    (error: unknown) => (ended = String(error)),
  );
  await until(
    async () => ended !== undefined || (await readFile(ready, 'utf8').catch(() => '')) !== '',
    AbortSignal.timeout(READY_MS),
  );
  if (ended === NOT_FOUND) throw toolMissing(PROGRAM, what);
  if (ended !== undefined) throw toolFailed({ what }, saidBy(PROGRAM, ended, tail()));
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await end;
    },
    ended: end.then((exit) => saidBy(PROGRAM, exit, tail())),
  };
}

function nodesAndExports(parts: readonly ImagePart[], directory: string): readonly string[] {
  const images = [...new Set(parts.map(({ image }) => image))];
  return [
    ...images.flatMap((image, n) => [
      '--blockdev',
      JSON.stringify({ ...imageNode(image), 'node-name': `i${n}` }),
    ]),
    ...parts.flatMap(({ image, offsetBytes, sizeBytes, name }, n) => [
      '--blockdev',
      JSON.stringify({
        driver: 'raw',
        'node-name': `p${n}`,
        'read-only': true,
        offset: offsetBytes,
        size: sizeBytes,
        file: `i${images.indexOf(image)}`,
      }),
      '--export',
      JSON.stringify({
        type: 'fuse',
        id: `e${n}`,
        'node-name': `p${n}`,
        mountpoint: join(directory, name),
        writable: false,
      }),
    ]),
  ];
}

function imageNode(image: ImageDisk): object {
  if ('socket' in image) {
    const server = { type: 'unix', path: image.socket };
    return { driver: 'nbd', server, export: image.exportName, 'read-only': true };
  }
  const { format, file } = image;
  const bytes = { driver: 'file', filename: file, 'read-only': true };
  if (format === 'raw') return bytes;
  const common = { driver: QEMU_DRIVERS[format], 'read-only': true, file: bytes };
  // Whatever its header says lies below it is no file of ours.
  return format === 'qcow2' ? { ...common, backing: null } : common;
}

const QEMU_DRIVERS = {
  'vmdk-stream-optimized': 'vmdk',
  'vmdk-flat': 'vmdk',
  'vmdk-sparse': 'vmdk',
  qcow2: 'qcow2',
} as const satisfies Partial<Record<ManifestDisk['format'], string>>;
