import {
  condition,
  continueAsNew,
  defineSignal,
  getExternalWorkflowHandle,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';
import { proxyQueue } from '../domain/names.js';
import { PERMIT_ASKED_SIGNAL, PERMIT_GRANTED_SIGNAL, PERMIT_RETURNED_SIGNAL } from '../domain/names.js';
import {
  granted,
  holds,
  NO_PERMITS,
  obstaclesOf,
  released,
  wished,
  type PermitState,
  type PermitWish,
} from '../domain/permits.js';
import { RunReport } from './runReport.js';

const askedSignal = defineSignal<[PermitWish]>(PERMIT_ASKED_SIGNAL);
const returnedSignal = defineSignal<[string]>(PERMIT_RETURNED_SIGNAL);

/** How often it is looked whether those who hold a permit are living, while somebody waits for one and while nobody does. */
const LOOK_MS = 10_000;
const IDLE_LOOK_MS = 600_000;
/** A proxy that serves no steps for so long is down, and another one is asked. */
const START_PATIENCE_MS = 5000;
const MOST_ASKED = 4;
const MOST_SHOWN = 100;

/**
 * Hands out permits to have a snapshot open (F8), in order. A run returns its own when its snapshot is gone; of those who cannot any more,
 * for they were terminated, it is found out by describing them. Whoever asks starts it, and with nobody left it ends.
 */
export async function permits(before: PermitState = NO_PERMITS): Promise<void> {
  const report = new RunReport('Permits to have a snapshot open');
  let state = before;
  let isChanged = true;
  let lookedAt = Date.now();
  const told: PermitWish[] = [];
  setHandler(askedSignal, (wish) => {
    // It did not hear, or forgot: a run that was reset.
    if (holds(state, wish.run.runId)) told.push(wish);
    state = wished(state, wish);
    isChanged = true;
  });
  setHandler(returnedSignal, (runId) => {
    state = released(state, runId);
    isChanged = true;
  });
  for (;;) {
    if (isChanged) {
      isChanged = false;
      const { state: next, to } = granted(state);
      state = next;
      show(report, state);
      const gone = await goneOf([...to, ...told.splice(0)]);
      for (const runId of gone) state = released(state, runId);
      if (gone.length > 0) isChanged = true;
      continue;
    }
    if (state.holding.length === 0 && state.waiting.length === 0) break;
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof permits>(state);
    // However often somebody asks or returns meanwhile.
    const restMs = lookedAt + (state.waiting.length > 0 ? LOOK_MS : IDLE_LOOK_MS) - Date.now();
    if (restMs > 0) {
      await condition(() => isChanged, restMs);
      continue;
    }
    lookedAt = Date.now();
    for (const runId of await deadOf(state)) state = released(state, runId);
    isChanged = true;
  }
  report.end('succeeded');
}

/** Tells runs that they may go on. @returns run ids of those who are not there to be told */
async function goneOf(wishes: readonly PermitWish[]): Promise<readonly string[]> {
  const gone: string[] = [];
  await Promise.all(
    wishes.map(async ({ run: { workflowId, runId } }) => {
      try {
        // Without a run id, for one that was reset goes on under another.
        await getExternalWorkflowHandle(workflowId).signal(PERMIT_GRANTED_SIGNAL, runId);
      } catch {
        gone.push(runId);
      }
    }),
  );
  return gone;
}

/**
 * Those who are living no more. Whoever asked last is the likeliest to have a proxy that serves; one that does not is passed over.
 */
async function deadOf({ holding, waiting }: PermitState): Promise<readonly string[]> {
  const all = [...waiting.toReversed(), ...holding.toReversed()];
  const runs = all.map(({ run }) => run);
  for (const proxy of [...new Set(all.map((wish) => wish.proxy))].slice(0, MOST_ASKED)) {
    const steps = proxyActivities<Activities>({
      taskQueue: proxyQueue(proxy),
      scheduleToStartTimeout: START_PATIENCE_MS,
      startToCloseTimeout: '1 minute',
      heartbeatTimeout: 10_000,
      retry: { maximumAttempts: 1 },
    });
    try {
      return await steps.findClosedRuns({ runs, retries: { maximumRetries: 0, backoffMs: 0 } });
    } catch {
      // Another one, or the next look, is as good.
    }
  }
  return [];
}

function show(report: RunReport, state: PermitState): void {
  const { holding, waiting } = state;
  report.tell(`${holding.length} snapshots may be open, ${waiting.length} runs wait`, [
    ...holding.slice(0, MOST_SHOWN).map(({ vmName, proxy }) => `${vmName}, by proxy ${proxy}`),
    ...waiting
      .slice(0, MOST_SHOWN)
      .map((wish) => `${wish.vmName} waits: ${obstaclesOf(state, wish).join('; ') || 'others come first'}`),
  ]);
}
