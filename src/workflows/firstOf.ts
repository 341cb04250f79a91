import { CancellationScope } from '@temporalio/workflow';

/**
 * The first that ends; the other is cancelled and waited for. What that one says is not asked any more: a step whose worker was dead when it
 * was cancelled ends by its time-out.
 */
export async function firstOf(one: () => Promise<void>, other: () => Promise<void>): Promise<void> {
  await CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    const both = [one(), other()];
    try {
      await Promise.race(both);
    } finally {
      scope.cancel();
      await Promise.allSettled(both);
    }
  });
}
