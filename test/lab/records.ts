import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './run.js';

const RECORD_BYTES = 4096;
const DIGEST_CHARACTERS = 64;

/** A plain user's PATH often lacks the place of e2fsprogs. */
const ENVIRONMENT = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

const SUPERBLOCK_BYTES = 1024;
const INCOMPAT_OFFSET = 0x60;
const NEEDS_RECOVERY = 0x4;

/**
 * How many records the writer of a lab guest left on a disk, seen from outside and without root: the file system has to be
 * whole and the records exactly 1 to n.
 * @throws Error with what is wrong, as when the journal would have to be replayed first; `replay` does so on a copy, as a
 *   guest does after a power failure
 */
export async function recordsOn(image: string, options: { readonly replay?: boolean } = {}): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'everthaw-records-'));
  try {
    let raw = image;
    if ((await formatOf(image)) !== 'raw') {
      raw = join(directory, 'raw');
      await run('qemu-img', ['convert', '-O', 'raw', image, raw]);
    }
    if (await needsRecovery(raw)) {
      if (options.replay !== true) throw new Error(`${image} is not clean: its journal has to be replayed`);
      if (raw === image) await copyFile(image, (raw = join(directory, 'raw')));
      await run('e2fsck', ['-E', 'journal_only', '-p', raw], { env: ENVIRONMENT });
    }
    await run('fsck.ext4', ['-fn', raw], { env: ENVIRONMENT });
    const records = join(directory, 'records');
    await run('debugfs', ['-R', `dump /records ${records}`, raw], { env: ENVIRONMENT });
    return countRecords(await readFile(records), image);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Whether ext4 on a disk is in use and not frozen, or was when the disk was copied: its journal would be replayed. */
export async function needsRecovery(image: string): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'everthaw-superblock-'));
  try {
    const superblock = join(directory, 'superblock');
    await run('qemu-img', [
      ...[
        'dd',
        '-U',
        '-f',
        await formatOf(image),
        '-O',
        'raw',
        `bs=${SUPERBLOCK_BYTES}`,
        'skip=1',
        'count=2',
      ],
      ...[`if=${image}`, `of=${superblock}`],
    ]);
    return ((await readFile(superblock)).readUInt32LE(INCOMPAT_OFFSET) & NEEDS_RECOVERY) !== 0;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function formatOf(image: string): Promise<string> {
  const { stdout } = await run('qemu-img', ['info', '-U', '--output=json', image]);
  return (JSON.parse(stdout) as { readonly format: string }).format;
}

/** Checks records one by one: their numbers, and the checksum that ends each (test/lab/guest/writer). */
export function countRecords(records: Buffer, image: string): number {
  if (records.length % RECORD_BYTES !== 0) throw new Error(`${image} ends in half a record`);
  const count = records.length / RECORD_BYTES;
  for (let number = 1; number <= count; number++) {
    const record = records.toString('latin1', (number - 1) * RECORD_BYTES, number * RECORD_BYTES);
    const body = record.slice(0, -(DIGEST_CHARACTERS + 2));
    const digest = createHash('sha256').update(body, 'latin1').digest('hex');
    if (Number(record.slice(0, 12)) !== number || record.slice(body.length) !== ` ${digest}\n`)
      throw new Error(`${image} has another record where its number ${number} should be`);
  }
  return count;
}
