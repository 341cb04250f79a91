import { Runtime } from '@temporalio/worker';
import type { Outcome } from '../holdings/releaseJudged.js';
import { KINDS } from '../holdings/kinds.js';
import type { Judgement } from '../holdings/sweep.js';

/** Serves this process's metrics to Prometheus. Before anything else of the SDK: its runtime is made once. */
export function serveMetrics(bindAddress: string): void {
  Runtime.install({ telemetryOptions: { metrics: { prometheus: { bindAddress } } } });
}

/** Tells after each sweep what is still there that no living run owns (docs/metrics.md). */
export function leftoverGauges(proxy: string): (judgement: Judgement, outcomes: readonly Outcome[]) => void {
  const meter = Runtime.instance().metricMeter.withTags({ proxy });
  const leftovers = meter.createGauge(
    'everthaw_leftovers',
    'int',
    '{thing}',
    'Things that no living run owns and that are still there after a sweep',
  );
  const oldestDebt = meter.createGauge(
    'everthaw_oldest_cleanup_debt_seconds',
    'float',
    's',
    'Age of the oldest thing of a dead run that a sweep could not let go; 0: there is none',
  );
  const unseen = meter.createGauge(
    'everthaw_sweep_unseen',
    'int',
    '{place}',
    'Hosts and kinds that the last sweep could not list',
  );
  return ({ judged, troubles }, outcomes) => {
    const owed = outcomes.filter(({ why }) => why !== undefined).map((outcome) => outcome.judged.found);
    const unowned = judged
      .filter(({ decision }) => !decision.release && decision.because !== 'living')
      .map(({ found }) => found);
    for (const kind of Object.keys(KINDS))
      leftovers.set([...owed, ...unowned].filter((found) => found.kind === kind).length, { kind });
    const ages = owed.map(({ ageMs, owner }) => ageMs ?? Date.now() - Date.parse(owner?.takenAt ?? ''));
    oldestDebt.set(Math.max(0, ...ages.filter(Number.isFinite)) / 1000);
    unseen.set(troubles.length);
  };
}
