import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { Destinations } from '../../src/destinations/destinations.js';
import { endForgetting, forgetPoint } from '../../src/destinations/forgetPoint.js';
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

  it.each([
    ['as it is looked at', 1],
    ['when it has been looked at', 2],
  ])('one that another removes %s is gone', async (_, nth) => {
    const directory = await make('db', '2026-11-11T01:00:00Z', { run: 'judged' });
    const forgotten = `${directory}.forgotten-${randomUUID()}`;
    await rename(directory, forgotten);
    const place = await new Destinations('').placeAt(forgotten);
    const { scripts } = place;
    let long = 0;
    // The scripts that list it and that remove it take as long as they take.
    const runLong = scripts.runLong.bind(scripts);
    vi.spyOn(scripts, 'runLong').mockImplementation(async (...of) => {
      if (++long === nth) await rm(forgotten, { recursive: true });
      return runLong(...of);
    });
    const ended = await endForgetting(place, NOTHING_ELSEWHERE);
    // Who is second to remove it has removed it, too.
    expect(ended).toEqual({ state: nth === 1 ? 'gone' : 'forgotten' });
    expect(await standing()).toEqual([]);
  });

  it('one whose manifest another removes as it is looked at is looked at again', async () => {
    const directory = await make('db', '2026-11-11T01:00:00Z', { run: 'judged' });
    const forgotten = `${directory}.forgotten-${randomUUID()}`;
    await rename(directory, forgotten);
    const place = await new Destinations('').placeAt(forgotten);
    const { scripts } = place;
    let looks = 0;
    const runLong = scripts.runLong.bind(scripts);
    vi.spyOn(scripts, 'runLong').mockImplementation(async (...of) => {
      if (++looks > 1) return runLong(...of);
      // Listed, and not there to be read: the other one's last step but one.
      const listed = await runLong(...of);
      for (const name of await readdir(forgotten)) await rm(join(forgotten, name));
      const [entries = '', , ...end] = listed.split('\n');
      return [entries, '', ...end].join('\n');
    });
    expect(await endForgetting(place, NOTHING_ELSEWHERE)).toEqual({ state: 'forgotten' });
    expect(await standing()).toEqual([]);
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
