import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lookInto } from '../../src/disks/readableFile.js';
import { checkStreamOptimized } from '../../src/disks/streamOptimized.js';
import { run } from '../lab/run.js';
import { clearlyLater, fuzz } from './fuzz.js';

function lookAt(path: string, capacityBytes: number, what: string): Promise<void> {
  return lookInto(path, (file) => checkStreamOptimized(file, capacityBytes, what));
}

const CAPACITY = 4 * 1024 * 1024;
let directory: string;
let whole: Buffer;
let file: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-fuzz-'));
  const [raw, stream] = [join(directory, 'raw'), join(directory, 'stream')];
  file = join(directory, 'damaged');
  await writeFile(raw, Buffer.alloc(CAPACITY, 'data'));
  await run('qemu-img', [
    'convert',
    '-f',
    'raw',
    '-O',
    'vmdk',
    '-o',
    'subformat=streamOptimized',
    raw,
    stream,
  ]);
  whole = await readFile(stream);
});

afterAll(() => rm(directory, { recursive: true }));

/** Where the header says something that is gone by: sectors of grain, directory, entries of a table; and any other place. */
const place = fc.oneof(fc.constantFrom(12, 20, 28, 36, 44, 48, 56, 60, 64), fc.nat(511), fc.nat(70_000));
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 8 }),
  fc.constantFrom(
    Buffer.alloc(4),
    Buffer.alloc(8),
    Buffer.alloc(4, 0xff),
    Buffer.alloc(8, 0xff),
    Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]),
  ),
);
const damages = fc.array(fc.tuple(place, bytes), { minLength: 1, maxLength: 4 });

async function check(): Promise<void> {
  await clearlyLater(lookAt(file, CAPACITY, 'disk scsi0:0'), 'check the stream of disk scsi0:0');
}

describe('a streamOptimized VMDK', () => {
  fuzz('with other words in its header and tables is whole or torn', damages, async (each) => {
    const damaged = Buffer.from(whole);
    for (const [at, piece] of each) damaged.set(piece, Math.min(at, damaged.length - piece.length));
    await writeFile(file, damaged);
    await check();
  });

  fuzz(
    'that ends before its last grains is torn',
    fc.nat(50),
    async (share) => {
      await writeFile(file, whole.subarray(0, Math.floor(((whole.length - 1) * share) / 100)));
      await expect(lookAt(file, CAPACITY, 'it')).rejects.toMatchObject({ code: 'StreamTorn' });
    },
    50,
  );

  fuzz(
    'of any bytes is torn',
    fc.uint8Array({ maxLength: 2000 }),
    async (noise) => {
      await writeFile(file, Buffer.concat([Buffer.from('KDMV'), noise]));
      await check();
    },
    100,
  );

  it.each([
    ['grains of no length', 20, 0n],
    ['grains of one sector, and so a directory that no file is long enough for', 20, 1n],
    ['a directory behind everything', 56, 0xffff_ffff_ffff_fff0n],
  ])('with %s is torn, and takes no memory', async (_, at, value) => {
    const damaged = Buffer.from(whole);
    damaged.writeBigUInt64LE(value, at);
    await writeFile(file, damaged);
    await expect(lookAt(file, CAPACITY, 'it')).rejects.toMatchObject({ code: 'StreamTorn' });
  });

  it.each([0, 1, 0xffff_ffff])('with tables of %i entries is torn', async (entries) => {
    const damaged = Buffer.from(whole);
    damaged.writeUInt32LE(entries, 44);
    await writeFile(file, damaged);
    await expect(lookAt(file, CAPACITY, 'it')).rejects.toMatchObject({ code: 'StreamTorn' });
  });

  it('of 62 TiB is looked at in bounded memory', async () => {
    const header = Buffer.from(whole.subarray(0, 512));
    const capacity = 62 * 1024 ** 4;
    header.writeBigUInt64LE(BigInt(capacity / 512), 12);
    const handle = await open(file, 'w');
    await handle.write(header);
    await handle.truncate(1024 ** 4);
    await handle.close();
    const before = process.memoryUsage().arrayBuffers;
    await expect(lookAt(file, capacity, 'it')).resolves.toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });
});
