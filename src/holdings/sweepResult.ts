import type { SweepResult } from '../domain/runs.js';
import type { Outcome } from './releaseJudged.js';
import type { Judgement } from './sweep.js';

/** More lines than this say less: a result lies in a history. */
const LINES = 100;

/** What a sweep found and did, as its run tells it. */
export function summarise({ judged, troubles }: Judgement, outcomes: readonly Outcome[]): SweepResult {
  const failed = outcomes.flatMap(({ judged: { found }, why }) =>
    why === undefined ? [] : [`not let go: ${found.what}: ${why}`],
  );
  const gone = outcomes.filter(({ why }) => why === undefined);
  const kept = judged.flatMap(({ found, decision }) =>
    decision.release ? [] : [{ what: found.what, reason: decision.reason }],
  );
  return {
    state: failed.length + troubles.length === 0 ? 'succeeded' : 'partial',
    counts: { letGo: gone.length, kept: kept.length, failed: failed.length, unseen: troubles.length },
    letGo: gone
      .map(({ judged: { found, decision } }) => `let go: ${found.what} (${decision.reason})`)
      .slice(0, LINES),
    kept: kept.slice(0, LINES),
    failed: failed.slice(0, LINES),
    unseen: troubles.map(({ what, why }) => `unseen: ${what}: ${why}`).slice(0, LINES),
  };
}
