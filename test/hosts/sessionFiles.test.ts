import { mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sessionFiles } from '../../src/hosts/sessionFiles.js';

describe('noted sessions', () => {
  let parent: string;
  const directory = (): string => join(parent, 'run');

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'everthaw-sessions-'));
  });

  afterEach(() => rm(parent, { recursive: true }));

  it('are none at first, and each is there when it was noted, for its owner alone', async () => {
    const store = sessionFiles(directory());
    expect(await store.load()).toEqual([]);
    store.keep('one', store.begin());
    store.keep('two', store.begin());
    const [name = ''] = await readdir(directory());
    await utimes(join(directory(), name), 1, 1);
    const found = await store.load();
    expect(found.map(({ cookie }) => cookie).toSorted()).toEqual(['one', 'two']);
    expect(found.at(-1)?.id).toBe(name);
    expect((await stat(join(directory(), name))).mode & 0o777).toBe(0o600);
  });

  it('go one by one, and the last with the directory; one that another has forgotten is forgotten', async () => {
    const store = sessionFiles(directory());
    const other = sessionFiles(directory());
    store.keep('one', store.begin());
    other.keep('two', other.begin());
    const all = await store.load();
    for (const session of all) await store.forget(session);
    for (const session of all) await other.forget(session);
    expect(await readdir(parent)).toEqual([]);
    other.keep('three', other.begin());
    expect((await store.load()).map(({ cookie }) => cookie)).toEqual(['three']);
  });

  it('are begun before they are there, and who was cut off in between is seen', async () => {
    const store = sessionFiles(directory());
    const mark = store.begin();
    expect(await sessionFiles(directory()).begun()).toEqual([mark]);
    expect(await store.load()).toEqual([]);
    store.keep('one', store.begin());
    expect(await store.begun()).toEqual([mark]);
    await store.settle(mark);
    expect(await store.begun()).toEqual([]);
    expect(await store.load()).toHaveLength(1);
  });
});
