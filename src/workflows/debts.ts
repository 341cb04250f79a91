import { CancellationScope } from '@temporalio/workflow';
import type { Holding, HoldingKind } from '../domain/holding.js';
import { hostQueue, proxyQueue } from '../domain/names.js';
import { cleaningOn } from './steps.js';

/**
 * What a run owes: each holding is noted before it is taken, and let go in reverse order whatever happened, in a scope that no
 * cancellation reaches, until its absence was observed. What was never taken is observed to be absent: that costs a look.
 */
export class Debts {
  readonly #owed: Holding[] = [];

  /** Notes a holding. The rule that everything rests on: this comes before the call that takes it. */
  owe(holding: Holding): void {
    this.#owed.push(holding);
  }

  /** Lets go of one kind at once, because the run needs it no more. */
  async letGo(kind: HoldingKind): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      for (let at = this.#owed.length - 1; at >= 0; at--) {
        const holding = this.#owed[at];
        if (holding?.kind !== kind) continue;
        await release(holding);
        this.#owed.splice(at, 1);
      }
    });
  }

  /** Lets go of everything that is still owed. */
  async settle(): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      for (let holding = this.#owed.at(-1); holding !== undefined; holding = this.#owed.at(-1)) {
        await release(holding);
        this.#owed.pop();
      }
    });
  }
}

async function release(holding: Holding): Promise<void> {
  const queue = 'proxy' in holding ? proxyQueue(holding.proxy) : hostQueue(holding.vm.hostUuid);
  const steps = cleaningOn(queue, holding.kind);
  const input = { holding, retries: 'until gone' } as const;
  if (holding.kind === 'snapshot') await steps.commitSnapshot(input);
  else await steps.vcbCleanup(input);
}
