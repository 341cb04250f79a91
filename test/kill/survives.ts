import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFailed } from './case.js';
import { HARMS } from './harms/index.js';
import { tellMoment } from './moment.js';
import { planOf, seedsFrom, type Plan } from './plan.js';
import { tellVerdict } from './report.js';
import type { HostKind } from './scene.js';
import { KINDS, startScene } from './scenes/index.js';
import { Suite } from './suite.js';
import { onceEach, systematicPlans } from './systematic.js';

const RANDOM_MS = 30_000;
const MOST_CASES = 100;
const CASE_PATIENCE_MS = 400_000;

/** Tests that runs on a kind of host survive harm to each of their steps and holdings, and half a minute of what chance has in store. */
export function testsThatItSurvives(host: HostKind): void {
  describe(`a run on ${host} lets go of everything`, () => {
    const suite = new Suite(() => startScene(host), console.log);

    beforeAll(async () => {
      await suite.scene();
    }, 300_000);

    afterAll(() => suite.stop());

    for (const plan of onceEach(systematicPlans(KINDS[host]))) {
      const { seed, job, harm, moment } = plan;
      it(
        `${job.name}: ${harm.name} ${tellMoment(moment)} (systematic ${seed})`,
        () => survives(plan),
        CASE_PATIENCE_MS,
      );
    }

    it(
      'whatever chance does to it',
      async () => {
        const harms = HARMS.filter(({ hosts }) => hosts.includes(host));
        const endsAt = Date.now() + RANDOM_MS;
        for (const seed of seedsFrom(Date.now() % 1_000_000, MOST_CASES)) {
          if (Date.now() > endsAt) break;
          await survives(planOf(seed, KINDS[host].jobs, harms));
        }
      },
      RANDOM_MS + CASE_PATIENCE_MS,
    );

    async function survives(plan: Plan): Promise<void> {
      const verdict = await suite.run(plan);
      expect(isFailed(verdict), tellVerdict(0, host, verdict)).toBe(false);
    }
  });
}
