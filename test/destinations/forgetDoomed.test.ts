import { describe, expect, it } from 'vitest';
import { forgetDoomed } from '../../src/destinations/forgetDoomed.js';
import type { Forgotten } from '../../src/destinations/forgetPoint.js';
import type { Retained } from '../../src/destinations/retainedPoints.js';

/** A restore point of the run of that name, taken at that time. */
const point = (runId: string, at: number, base?: string): Retained =>
  ({ runId, at, ...(base === undefined ? {} : { base }) }) as Retained;

/** What becomes of points where the removal of some of them fails or is refused. */
async function outcomesOf(
  points: readonly Retained[],
  ends: Readonly<Record<string, Forgotten | Error>> = {},
): Promise<readonly string[]> {
  const told: string[] = [];
  const forget = ({ runId }: Retained): Promise<Forgotten> => {
    const end = ends[runId] ?? { state: 'forgotten' };
    return end instanceof Error ? Promise.reject(end) : Promise.resolve(end);
  };
  await forgetDoomed(points, forget, ({ runId }, outcome) => told.push(`${runId} ${outcome.state}`));
  return told;
}

const CHAIN = [point('full', 1), point('second', 2, 'full'), point('third', 3, 'second'), point('other', 2)];

describe('restore points that are to go', () => {
  it('go the youngest first, so that none is ever without its base', async () => {
    const told = await outcomesOf(CHAIN);
    expect(told.filter((line) => !line.startsWith('other'))).toEqual([
      'third forgotten',
      'second forgotten',
      'full forgotten',
    ]);
  });

  it.each([
    [{ third: new Error('the disk is read-only') }, 'failed'],
    [{ third: { state: 'kept', why: 'protected' } }, 'kept'],
  ] as const)(
    'stay where one that stays is built on them, link by link, and hold up no other (%j)',
    async (ends, state) => {
      const told = await outcomesOf(CHAIN, ends);
      expect(told).toEqual([`third ${state}`, 'second kept', 'other forgotten', 'full kept']);
    },
  );

  it('go though another was faster with what is built on them', async () => {
    expect(await outcomesOf(CHAIN, { third: { state: 'gone' } })).toContain('full forgotten');
  });
});
