import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldingRecords } from '../../src/holdings/records.js';
import { processIdentity } from '../../src/system/processIdentity.js';
import { removeAbandoned, removeWhole, writeWhole } from '../../src/system/wholeFile.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-whole-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** What a writer leaves that has not come to rename it: this process, or one that is dead. Its name. */
async function half(note: string, writer: 'living' | 'dead', secondsAgo = 0): Promise<string> {
  const { pid, startTime } = await processIdentity(process.pid);
  const name = `${note}.${pid}-${writer === 'living' ? startTime : '1'}-545fccce.aside`;
  await mkdir(join(directory, name, '..'), { recursive: true });
  await writeFile(join(directory, name), '{"half');
  const then = Date.now() / 1000 - secondsAgo;
  await utimes(join(directory, name), then, then);
  return name;
}

describe('a file that is whole or not there', () => {
  it('says what one of its writers wrote, however many write at once', async () => {
    const texts = Array.from({ length: 20 }, (_, n) => String(n).repeat(1000));
    await Promise.all(texts.map((text) => writeWhole(join(directory, 'note.json'), text)));
    expect(texts).toContain(await readFile(join(directory, 'note.json'), 'utf8'));
    expect(await readdir(directory)).toEqual(['note.json']);
  });

  it('goes with what was killed writing it, and with no other', async () => {
    await writeWhole(join(directory, 'note.json'), '{}');
    await writeWhole(join(directory, 'other.json'), '{}');
    await half('note.json', 'dead');
    const writing = await half('note.json', 'living');
    const others = await half('other.json', 'dead');
    await removeWhole(join(directory, 'note.json'));
    expect((await readdir(directory)).sort()).toEqual([writing, others, 'other.json'].sort());
  });

  it('that a living process may just be writing is not taken from it, unless it stands still', async () => {
    await writeWhole(join(directory, 'note.json'), '{}');
    const writing = await half('note.json', 'living', 1);
    await removeAbandoned(directory);
    expect((await readdir(directory)).sort()).toEqual(['note.json', writing].sort());
    await half('note.json', 'living', 60);
    await removeAbandoned(directory);
    expect(await readdir(directory)).toEqual(['note.json']);
  });

  it('is swept among the notes of what runs hold, where nobody ends its run', async () => {
    await half('partialDirectory/note.json', 'dead');
    await writeFile(join(directory, 'partialDirectory/kept.json'), '{}');
    await new HoldingRecords(directory).removeAbandoned();
    expect(await readdir(join(directory, 'partialDirectory'))).toEqual(['kept.json']);
  });
});
