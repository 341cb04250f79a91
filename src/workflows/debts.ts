import { CancellationScope, condition } from '@temporalio/workflow';
import type { Holding, HoldingKind } from '../domain/holding.js';
import { hostQueue, proxyQueue } from '../domain/names.js';
import { cleaningOn } from './steps.js';

/** How long what is on the host waits for what is on the proxy: a lease is better ended before its snapshot. */
const PROXY_PATIENCE_MS = 10_000;

/**
 * What a run owes: each holding is noted before it is taken, and let go in reverse order whatever happened, in a scope that no
 * cancellation reaches, until its absence was observed. What was never taken is observed to be absent: that costs a look.
 */
export class Debts {
  readonly #proxy: string;
  #owed: Holding[] = [];

  constructor(proxy: string) {
    this.#proxy = proxy;
  }

  /** Notes a holding. The rule that everything rests on: this comes before the call that takes it. */
  owe(holding: Holding): void {
    this.#owed.push(holding);
  }

  /** Lets go of one kind at once, because the run needs it no more. */
  letGo(kind: HoldingKind): Promise<void> {
    return this.#releaseNow((holding) => holding.kind === kind);
  }

  /**
   * Lets go of everything that is still owed: what is on the proxy, what is on the host, and the sessions last. A proxy that
   * never comes back does not keep a snapshot: the host's part waits for it only so long.
   */
  async settle(): Promise<void> {
    // A frozen guest, or an application that waits, is served before everything else.
    await this.#releaseNow(({ kind }) => isUrgent(kind));
    const sessions = this.#owed.filter(({ kind }) => kind === 'loginSession');
    const onProxy = this.#owed.filter((holding) => 'proxy' in holding && holding.kind !== 'loginSession');
    const onHost = this.#owed.filter((holding) => !('proxy' in holding));
    await CancellationScope.nonCancellable(async () => {
      let isProxyClean = false;
      const proxySide = this.#releaseInTurn(onProxy).then(() => (isProxyClean = true));
      await condition(() => isProxyClean, PROXY_PATIENCE_MS);
      await Promise.all([this.#releaseInTurn(onHost), proxySide]);
      await this.#releaseInTurn(sessions);
    });
    this.#owed = [];
  }

  async #releaseNow(which: (holding: Holding) => boolean): Promise<void> {
    const held = this.#owed.filter(which);
    await CancellationScope.nonCancellable(() => this.#releaseInTurn(held));
    this.#owed = this.#owed.filter((holding) => !held.includes(holding));
  }

  /** The last that was taken is the first to go. */
  async #releaseInTurn(holdings: readonly Holding[]): Promise<void> {
    for (const holding of holdings.toReversed()) await release(holding, this.#proxy);
  }
}

function isUrgent(kind: HoldingKind): boolean {
  return kind === 'freeze' || kind === 'pausedApplication';
}

async function release(holding: Holding, proxy: string): Promise<void> {
  const queue = 'proxy' in holding ? proxyQueue(holding.proxy) : hostQueue(holding.vm.hostUuid);
  const steps = cleaningOn(queue, holding.kind);
  const input = { holding, proxy, retries: 'until gone' } as const;
  if (holding.kind === 'snapshot') await steps.commitSnapshot(input);
  else await steps.vcbCleanup(input);
}
