import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { copySmallFile } from '../../src/disks/smallFile.js';
import { sha256 } from '../lab/disks.js';

const MIB = 1024 * 1024;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-small-file-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function copy(from: string, signal = new AbortController().signal) {
  const source = { program: 'cat', args: [from], what: 'the test’s file' };
  return copySmallFile(source, join(directory, 'copy'), signal);
}

it.each([0, 1, 4 * MIB, 4 * MIB + 1, 12 * MIB])('keeps %i bytes as they are', async (sizeBytes) => {
  const from = join(directory, 'source');
  await writeFile(from, randomBytes(sizeBytes));
  expect(await copy(from)).toEqual({ sizeBytes, sha256: await sha256(from) });
  expect((await readFile(join(directory, 'copy'))).equals(await readFile(from))).toBe(true);
});

it('tells why its source failed, and keeps nothing of it', async () => {
  await expect(copy(join(directory, 'missing'))).rejects.toThrow(/cat ended with 1 .*No such file/);
  await expect(readFile(join(directory, 'copy'))).rejects.toThrow('ENOENT');
});

it('tells of a destination that cannot be written', async () => {
  const source = { program: 'echo', args: ['bytes'], what: 'the test’s file' };
  const copying = copySmallFile(source, '/dev/full', new AbortController().signal);
  await expect(copying).rejects.toMatchObject({ code: 'DestinationFull' });
});

it('stops at once when it is cancelled', async () => {
  const cancel = new AbortController();
  const source = { program: 'sleep', args: ['600'], what: 'nothing' };
  const copying = copySmallFile(source, join(directory, 'copy'), cancel.signal);
  cancel.abort(new Error('enough'));
  await expect(copying).rejects.toThrow('enough');
});
