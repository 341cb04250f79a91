import { CancellationScope, condition } from '@temporalio/workflow';
import type { Holding, HoldingKind } from '../domain/holding.js';
import { hostQueue, proxyQueue } from '../domain/names.js';
import { cleaningOn } from './steps.js';

/** How long what is on the host waits for what is on the proxy: a lease is better ended before its snapshot. */
const PROXY_PATIENCE_MS = 10_000;
/** How long everything else waits for a guest that does not answer: a snapshot that stays fills a disk. */
const GUEST_PATIENCE_MS = 30_000;

/**
 * What a run owes: each holding is noted before it is taken, and let go in reverse order whatever happened, in a scope that no
 * cancellation reaches, until its absence was observed. What was never taken is observed to be absent: that costs a look.
 */
export class Debts {
  readonly #proxy: string;
  #owed: Holding[] = [];
  /** Releases that were begun and are not waited for now. */
  readonly #underWay: Promise<void>[] = [];

  constructor(proxy: string) {
    this.#proxy = proxy;
  }

  /** Notes a holding. The rule that everything rests on: this comes before the call that takes it. */
  owe(holding: Holding): void {
    this.#owed.push(holding);
  }

  /** What was taken to stay is owed no more. */
  forgive(kind: HoldingKind): void {
    this.#takeOut((holding) => holding.kind === kind);
  }

  /** Lets go of one kind at once, because the run needs it no more. */
  letGo(kind: HoldingKind): Promise<void> {
    return this.#nonCancellable(this.#takeOut((holding) => holding.kind === kind));
  }

  /**
   * The same where the guest must answer: whether it was seen to be gone. If not, it is tried on beside the rest of the run,
   * which does not end before it is.
   */
  async letGoOfGuest(kind: HoldingKind): Promise<boolean> {
    return this.#patiently(this.letGo(kind), GUEST_PATIENCE_MS);
  }

  /**
   * Lets go of everything that is still owed: a freeze and what it paused first, then what is on the proxy, what is on the host, and
   * the sessions last. A proxy that never comes back does not keep a snapshot, nor does a guest that does not answer.
   */
  async settle(): Promise<void> {
    const urgent = this.#takeOut(({ kind }) => isUrgent(kind));
    const sessions = this.#takeOut(({ kind }) => kind === 'loginSession');
    const onProxy = this.#takeOut((holding) => 'proxy' in holding);
    const onHost = this.#takeOut(() => true);
    await this.#patiently(this.#nonCancellable(urgent), GUEST_PATIENCE_MS);
    await this.#patiently(this.#nonCancellable(onProxy), PROXY_PATIENCE_MS);
    await this.#nonCancellable(onHost);
    await CancellationScope.nonCancellable(() => Promise.all(this.#underWay));
    await this.#nonCancellable(sessions);
  }

  /** Waits only so long; what is not done by then goes on, and {@link settle} waits for it. */
  #patiently(releasing: Promise<void>, patienceMs: number): Promise<boolean> {
    let isGone = false;
    this.#underWay.push(releasing.then(() => void (isGone = true)));
    return CancellationScope.nonCancellable(() => condition(() => isGone, patienceMs));
  }

  #takeOut(which: (holding: Holding) => boolean): readonly Holding[] {
    const taken = this.#owed.filter(which);
    this.#owed = this.#owed.filter((holding) => !taken.includes(holding));
    return taken;
  }

  /** The last that was taken is the first to go. */
  #nonCancellable(holdings: readonly Holding[]): Promise<void> {
    return CancellationScope.nonCancellable(async () => {
      for (const holding of holdings.toReversed()) await release(holding, this.#proxy);
    });
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
