import { BOUNDS } from './bounds.js';
import { baselineOf, isFailed, runCase, type Baseline, type Verdict } from './case.js';
import type { Plan } from './plan.js';
import { tellVerdict } from './report.js';
import type { Scene } from './scene.js';

/** Runs cases one after the other on one scene; after a case that failed on a new one, lest it spoil the next. */
export class Suite {
  readonly verdicts: Verdict[] = [];
  readonly #start: () => Promise<Scene>;
  readonly #say: (line: string) => void;
  readonly #patienceMs: number;
  #stage: { readonly scene: Scene; readonly baseline: Baseline } | undefined;

  /** `patienceMs` with what is not let go. */
  constructor(
    start: () => Promise<Scene>,
    say: (line: string) => void,
    patienceMs: number = BOUNDS.letGo.failsMs,
  ) {
    this.#start = start;
    this.#say = say;
    this.#patienceMs = patienceMs;
  }

  async scene(): Promise<Scene> {
    return (await this.#ready()).scene;
  }

  async run(plan: Plan): Promise<Verdict> {
    const { scene, baseline } = await this.#ready();
    const number = this.verdicts.length + 1;
    const verdict = await runCase(scene, plan, number, { baseline, patienceMs: this.#patienceMs }).catch(
      (error: unknown) => broken(plan, error),
    );
    this.verdicts.push(verdict);
    this.#say(tellVerdict(number, scene.kind, verdict));
    if (isFailed(verdict) || plan.harm.spoilsScene === true) await this.stop();
    return verdict;
  }

  async stop(): Promise<void> {
    const stage = this.#stage;
    this.#stage = undefined;
    await stage?.scene.stop();
  }

  async #ready() {
    if (this.#stage === undefined) {
      const scene = await this.#start();
      this.#stage = { scene, baseline: await baselineOf(scene) };
    }
    return this.#stage;
  }
}

/** Of a case that could not be carried through, as when a program of the lab's own failed: it proves nothing. */
function broken(plan: Plan, error: unknown): Verdict {
  return {
    plan,
    told: plan.harm.name,
    ended: 'broken off',
    isHit: false,
    leftOver: [],
    wrongBytes: [],
    otherProblems: [
      `the case broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    ],
    letGoMs: 0,
    measured: {},
  };
}
