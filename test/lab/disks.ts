import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, open, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { DISK_CACHE } from './programs.js';
import { run } from './run.js';

export interface LabDisk {
  /** The disk's bytes. */
  readonly raw: string;
  /** The same as a standard stream, which is what a host sends. */
  readonly streamOptimized: string;
}

const MIB = 1024 * 1024;

const RAW = 'disk.raw';
const STREAM = 'disk.vmdk';

/** A plain user's PATH often lacks the place of mkfs.ext4. */
const ENVIRONMENT = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/**
 * A disk of `sizeMiB` with an ext4 file system that holds `dataMiB` of files; made once and kept, since compressing it takes
 * long. Half of the data cannot be compressed, as in life.
 */
export async function makeDisk(name: string, sizeMiB: number, dataMiB: number): Promise<LabDisk> {
  const directory = join(DISK_CACHE, `${name}-${sizeMiB}-${dataMiB}`);
  if (!(await exists(directory))) {
    await mkdir(DISK_CACHE, { recursive: true });
    const aside = await mkdtemp(join(DISK_CACHE, 'new-'));
    try {
      await fill(aside, name, sizeMiB, dataMiB);
      // Renamed when whole, so that neither a kill nor a second start leaves half a disk; who comes later uses what is there.
      await rename(aside, directory).catch(async (error: unknown) => {
        if (!(await exists(directory))) throw error;
      });
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
  }
  return { raw: join(directory, RAW), streamOptimized: join(directory, STREAM) };
}

async function fill(directory: string, name: string, sizeMiB: number, dataMiB: number): Promise<void> {
  const [raw, stream, files] = [RAW, STREAM, 'files'].map((each) => join(directory, each)) as [
    string,
    string,
    string,
  ];
  await mkdir(files);
  for (let written = 0, n = 0; written < dataMiB; written += 8, n++) {
    await writeData(join(files, `file-${n}`), Math.min(8, dataMiB - written) * MIB);
  }
  await writeFile(join(files, 'name.txt'), `${name}\n`);
  await writeFile(raw, '');
  await truncate(raw, sizeMiB * MIB);
  await run('mkfs.ext4', ['-q', '-F', '-d', files, '-E', 'lazy_itable_init=1', raw], { env: ENVIRONMENT });
  await rm(files, { recursive: true });
  await run('qemu-img', [
    ...['convert', '-f', 'raw', '-O', 'vmdk'],
    ...['-o', 'subformat=streamOptimized', raw, stream],
  ]);
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

/** SHA-256 of a file's bytes, by no code of the product. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: MIB })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export async function writeData(file: string, sizeBytes: number): Promise<void> {
  const handle = await open(file, 'w');
  const text = Buffer.alloc(MIB, 'the same line again and again, as in a log file\n');
  for (let written = 0; written < sizeBytes; written += MIB) {
    await handle.write((written / MIB) % 2 === 0 ? randomBytes(MIB) : text);
  }
  await handle.close();
}
