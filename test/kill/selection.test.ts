import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFailed } from './case.js';
import type { Harm } from './harm.js';
import { cancel } from './harms/run.js';
import { killWorker } from './harms/worker.js';
import { tellVerdict } from './report.js';
import type { HostKind, Scene } from './scene.js';
import { startScene } from './scenes/index.js';
import { Suite } from './suite.js';
import { systematicPlans } from './systematic.js';

type Case = readonly [job: string, harm: Harm, point: string, step: string];

/** A few of the systematic mode, so that every kind of run is hit where it matters. */
const SELECTION: Readonly<Record<HostKind, readonly Case[]>> = {
  vsphere: [
    ['lease', killWorker, 'in', 'transfer'],
    ['lease', cancel, 'before', 'snapshot'],
    ['datastore', cancel, 'in', 'transfer'],
    ['datastore', killWorker, 'after', 'writeCatalog'],
    ['restore import', cancel, 'in', 'importVm'],
    ['restore upload', killWorker, 'in', 'createVm'],
  ],
  libvirt: [
    ['pull', killWorker, 'in', 'snapshot'],
    ['pull', cancel, 'in', 'transfer'],
    ['overlay', killWorker, 'in', 'commitSnapshot'],
    ['restore copy', cancel, 'after', 'createVm'],
  ],
};

for (const host of ['vsphere', 'libvirt'] as const) {
  describe(`a run on ${host}`, () => {
    let suite: Suite;
    let scene: Scene;

    beforeAll(async () => {
      suite = new Suite(() => startScene(host), console.log);
      scene = await suite.scene();
    }, 300_000);

    afterAll(() => suite.stop());

    for (const [job, harm, point, step] of SELECTION[host]) {
      it(`lets go of everything: ${job}, ${harm.name} ${point} ${step}`, async () => {
        const plan = systematicPlans(scene).find(
          ({ moment, ...each }) =>
            each.job.name === job &&
            each.harm === harm &&
            moment.at === 'step' &&
            moment.type === step &&
            moment.point === point,
        );
        if (plan === undefined) throw new Error('the systematic mode has no such case');
        const verdict = await suite.run(plan);
        expect(isFailed(verdict), tellVerdict(0, host, verdict)).toBe(false);
      }, 300_000);
    }
  });
}
