import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lastHeard, noteContact } from '../../src/temporal/contact.js';

const SERVER = { cluster: 'a cluster', namespace: 'default' };
let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-contact-'));
  file = join(directory, 'server.json');
});

afterEach(() => rm(directory, { recursive: true }));

describe('the note of when a server was last heard of', () => {
  it('tells it, also when several workers note it at once', async () => {
    await Promise.all(Array.from({ length: 20 }, () => noteContact(file, SERVER)));
    expect(await lastHeard(file)).toMatchObject({ ...SERVER, isSinceBoot: true });
    expect(await readdir(directory)).toEqual(['server.json']);
  });

  it('says nothing where it is missing or damaged, so that nothing is let go by it', async () => {
    expect(await lastHeard(file)).toBeUndefined();
    for (const text of ['', '{"cluster":"a clus', '[]', '{"cluster":1}']) {
      await writeFile(file, text);
      expect(await lastHeard(file), text).toBeUndefined();
    }
  });
});
