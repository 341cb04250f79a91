import { copyFile, mkdtemp, open, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lookInto } from '../../src/disks/readableFile.js';
import { checkStreamOptimized } from '../../src/disks/streamOptimized.js';
import { makeDisk } from '../lab/disks.js';

const CAPACITY = 64 * 1024 * 1024;

let directory: string;
let whole: string;

beforeAll(async () => {
  whole = (await makeDisk('data', 64, 8)).streamOptimized;
  directory = await mkdtemp(join(tmpdir(), 'everthaw-stream-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function cut(bytesOff: number): Promise<string> {
  const file = join(directory, `cut-${bytesOff}`);
  await copyFile(whole, file);
  await truncate(file, (await stat(file)).size - bytesOff);
  return file;
}

function check(path: string, capacityBytes = CAPACITY): Promise<void> {
  return lookInto(path, (file) => checkStreamOptimized(file, capacityBytes, 'disk'));
}

describe('a streamOptimized VMDK', () => {
  it('that is whole passes', async () => {
    await expect(check(whole)).resolves.toBeUndefined();
  });

  it.each([64 * 1024, 1024 * 1024, 4 * 1024 * 1024])(
    'that lacks its last %i bytes is torn',
    async (bytes) => {
      await expect(check(await cut(bytes))).rejects.toThrow(/its end is missing/);
    },
  );

  it('of another disk, and what is no VMDK at all, are refused', async () => {
    await expect(check(whole, 2 * CAPACITY)).rejects.toThrow(/it is of a disk of/);
    const empty = join(directory, 'empty');
    await (await open(empty, 'w')).close();
    await expect(check(empty)).rejects.toThrow(/does not begin as a VMDK/);
  });

  it('with its directory at the end, as ESX sends it, needs footer and end marker', async () => {
    const file = join(directory, 'esx');
    const header = Buffer.alloc(512);
    header.write('KDMV');
    header.writeBigUInt64LE(BigInt(CAPACITY / 512), 12);
    header.writeBigUInt64LE(0xffffffffffffffffn, 56);
    const handle = await open(file, 'w');
    await handle.write(Buffer.concat([header, Buffer.alloc(2048, 1), header, Buffer.alloc(512)]));
    await handle.close();
    await expect(check(file)).resolves.toBeUndefined();
    await truncate(file, 512 + 2048 + 512);
    await expect(check(file)).rejects.toThrow(/its end is missing/);
  });
});
