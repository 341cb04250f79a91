import { killWorker } from './harms/worker.js';
import { cancel, terminateAndKill } from './harms/run.js';
import type { Moment } from './moment.js';
import type { Plan } from './plan.js';
import type { Scene } from './scene.js';

/** Into a step, where it is hit in its middle: most of them take a tenth of a second or two. */
const INTO_STEP_MS = 60;

/** Into the step that freezes a guest: no look is quick enough to see when it is frozen. */
const INTO_FREEZE_MS = [0, 80, 160, 240, 320];

type Kinds = Pick<Scene, 'jobs' | 'holdings'>;

/**
 * Every step of every kind of run, before it, in it and behind it, with a worker that is killed and with a user who cancels; and every
 * kind of holding, with a run that is terminated while it holds it. A case's number is its seed.
 */
export function systematicPlans({ jobs, holdings }: Kinds): readonly Plan[] {
  const plans: Omit<Plan, 'seed' | 'chances'>[] = [];
  for (const job of jobs)
    for (const type of job.steps)
      for (const point of ['before', 'in', 'after'] as const)
        for (const harm of [killWorker, cancel])
          plans.push({ job, harm, moment: { at: 'step', type, point, nth: 1, delayMs: INTO_STEP_MS } });
  for (const job of jobs.filter(({ steps }) => steps.includes('thawScript')))
    for (const delayMs of INTO_FREEZE_MS)
      for (const harm of [killWorker, terminateAndKill])
        plans.push({ job, harm, moment: { at: 'step', type: 'snapshot', point: 'in', nth: 1, delayMs } });
  for (const { kind, job: name, pattern } of holdings) {
    const job = jobs.find((each) => each.name === name);
    if (job === undefined) throw new Error(`no job "${name}" to hold a ${kind}`);
    plans.push({ job, harm: terminateAndKill, moment: { at: 'holding', kind, pattern } });
  }
  return plans.map((plan, index) => ({ ...plan, seed: index + 1, chances: [] }));
}

/**
 * Of the systematic plans as few as hit every step in its middle and every boundary between two, and every kind of holding, each of
 * them once: harms and kinds of run take turns.
 */
export function onceEach(all: readonly Plan[]): readonly Plan[] {
  const used = new Map<unknown, number>();
  const partsOf = ({ job, harm, moment }: Plan) => [job, harm, `${harm.name} ${tellPoint(moment)}`];
  const timesUsed = (plan: Plan) => partsOf(plan).reduce((sum, part) => sum + (used.get(part) ?? 0), 0);
  const byPlace = new Map<string, Plan[]>();
  for (const plan of all) {
    const place = placeOf(plan);
    if (place !== undefined) byPlace.set(place, [...(byPlace.get(place) ?? []), plan]);
  }
  const chosen: Plan[] = [];
  for (const plans of byPlace.values()) {
    const plan = plans.reduce((best, each) => (timesUsed(each) < timesUsed(best) ? each : best));
    for (const part of partsOf(plan)) used.set(part, (used.get(part) ?? 0) + 1);
    chosen.push(plan);
  }
  return chosen.sort((a, b) => a.seed - b.seed);
}

function tellPoint(moment: Moment): string {
  return moment.at === 'step' ? moment.point : moment.at;
}

/** What a plan hits. Behind a step is before the next one, so that of what is before only the first step counts. */
function placeOf({ job, moment }: Plan): string | undefined {
  if (moment.at === 'holding') return `${job.name} ${moment.kind}`;
  if (moment.at !== 'step') return undefined;
  const { type, point, delayMs } = moment;
  if (point === 'before' && type !== job.steps[0]) return undefined;
  return `${point} ${type}${point === 'in' ? ` ${delayMs}` : ''}`;
}
