import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldingRecords } from '../../src/holdings/records.js';
import { removeAbandoned, removeWhole, writeWhole } from '../../src/system/wholeFile.js';

const ASIDE = 'note.json.545fccce-9119-4444-8912-a0b31e96a50c.aside';
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-whole-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** What a writer leaves that is killed before it renames. */
async function killedWriter(name: string, secondsAgo: number): Promise<void> {
  await mkdir(join(directory, name, '..'), { recursive: true });
  await writeFile(join(directory, name), '{"half');
  const then = Date.now() / 1000 - secondsAgo;
  await utimes(join(directory, name), then, then);
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
    const writing = `${ASIDE.slice(0, -7)}f.aside`;
    await killedWriter(ASIDE, 6);
    await killedWriter(writing, 0);
    await removeWhole(join(directory, 'note.json'));
    expect((await readdir(directory)).sort()).toEqual([writing, 'other.json']);
  });

  it('that a living process may just be writing is not taken from it', async () => {
    await writeWhole(join(directory, 'note.json'), '{}');
    await killedWriter(ASIDE, 1);
    await removeAbandoned(directory);
    expect(await readdir(directory)).toEqual(['note.json', ASIDE]);
    await killedWriter(ASIDE, 60);
    await removeAbandoned(directory);
    expect(await readdir(directory)).toEqual(['note.json']);
  });

  it('is swept among the notes of what runs hold, where nobody ends its run', async () => {
    await killedWriter(`partialDirectory/${ASIDE}`, 60);
    await killedWriter('partialDirectory/kept.json', 60);
    const records = new HoldingRecords(directory);
    await records.removeAbandoned();
    expect(await readdir(join(directory, 'partialDirectory'))).toEqual(['kept.json']);
  });
});
