import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Destinations } from '../../src/destinations/destinations.js';
import { forgetPoint } from '../../src/destinations/forgetPoint.js';
import { protectPoint } from '../../src/destinations/protectPoint.js';
import { nightlyBackups } from './nightlyBackups.js';

const { everthaw, make, root, standing } = nightlyBackups();

const NOTHING_ELSEWHERE = { refusal: () => undefined, remove: () => Promise.resolve() };

describe('a restore point that is no longer what was judged gets its name back', () => {
  it.each([
    ['was protected meanwhile', 'protected: wait'],
    ['is another one meanwhile', 'another backup took its place meanwhile'],
    ['holds something else meanwhile', 'it holds notes.txt, which is none of its files'],
    ['is a run’s meanwhile', 'a run owns it'],
  ])('one that %s', async (change, why) => {
    const directory = await make('db', '2026-11-11T01:00:00Z', { run: 'judged' });
    const place = await new Destinations('').placeAt(directory);
    if (change.includes('protected')) await protectPoint(place, { reason: 'wait', since: '2026-11-23' });
    if (change.includes('holds')) await writeFile(join(directory, 'notes.txt'), 'mine');
    if (change.includes('run’s')) await writeFile(join(directory, '.everthaw-owner'), 'whose');
    const runId = change.includes('another') ? 'earlier' : 'judged';
    expect(await forgetPoint(place, runId, randomUUID(), NOTHING_ELSEWHERE)).toEqual({ state: 'kept', why });
    expect(await standing()).toEqual(['db']);
    expect(await readdir(directory)).toContain('virtio0-0.raw');
  });

  it('one that is not there is gone already', async () => {
    const place = await new Destinations('').placeAt(join(root(), 'nowhere'));
    expect(await forgetPoint(place, 'judged', randomUUID(), NOTHING_ELSEWHERE)).toEqual({ state: 'gone' });
  });

  it('one whose removal was cut off before it was looked at is back with the next forget', async () => {
    const directory = await make('db', '2026-11-11T01:00:00Z');
    await everthaw('protect', directory, '--reason', 'wait');
    await rename(directory, `${directory}.forgotten-${randomUUID()}`);
    const ran = await everthaw('forget', root(), '--keep-last', '1', '--yes');
    expect(ran).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/not removed: .*: protected: wait\n/) as string,
    });
    expect(await standing()).toEqual(['db']);
  });
});
