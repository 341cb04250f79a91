import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, open, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { DISK_CACHE } from './programs.js';
import { run } from './run.js';

export interface LabDisk {
  /** The disk's bytes. */
  readonly raw: string;
  /** The same as a standard stream, which is what a host sends. */
  readonly streamOptimized: string;
}

const MIB = 1024 * 1024;

/**
 * A disk of `sizeMiB` with an ext4 file system that holds `dataMiB` of files; made once and kept, since compressing it takes
 * long. Half of the data cannot be compressed, as in life.
 */
export async function makeDisk(name: string, sizeMiB: number, dataMiB: number): Promise<LabDisk> {
  const directory = join(DISK_CACHE, `${name}-${sizeMiB}-${dataMiB}`);
  const disk = { raw: join(directory, 'disk.raw'), streamOptimized: join(directory, 'disk.vmdk') };
  const isMade = await access(disk.streamOptimized).then(
    () => true,
    () => false,
  );
  if (isMade) return disk;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const files = await mkdtemp(join(tmpdir(), 'everthaw-disk-'));
  try {
    for (let written = 0, n = 0; written < dataMiB; written += 8, n++) {
      await writeData(join(files, `file-${n}`), Math.min(8, dataMiB - written) * MIB);
    }
    await writeFile(join(files, 'name.txt'), `${name}\n`);
    await writeFile(disk.raw, '');
    await truncate(disk.raw, sizeMiB * MIB);
    await run('mkfs.ext4', ['-q', '-F', '-d', files, '-E', 'lazy_itable_init=1', disk.raw]);
    await run('qemu-img', [
      'convert',
      '-f',
      'raw',
      '-O',
      'vmdk',
      '-o',
      'subformat=streamOptimized',
      disk.raw,
      `${disk.streamOptimized}.new`,
    ]);
    await rename(`${disk.streamOptimized}.new`, disk.streamOptimized);
  } finally {
    await rm(files, { recursive: true, force: true });
  }
  return disk;
}

/** SHA-256 of a file's bytes, by no code of the product. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: MIB })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function writeData(file: string, sizeBytes: number): Promise<void> {
  const handle = await open(file, 'w');
  const text = Buffer.alloc(MIB, 'the same line again and again, as in a log file\n');
  for (let written = 0; written < sizeBytes; written += MIB) {
    await handle.write((written / MIB) % 2 === 0 ? randomBytes(MIB) : text);
  }
  await handle.close();
}
