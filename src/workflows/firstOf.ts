import { CancellationScope, isCancellation } from '@temporalio/workflow';

/** The first that ends; the other is cancelled and waited for. */
export async function firstOf(one: () => Promise<void>, other: () => Promise<void>): Promise<void> {
  await CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    const both = [one(), other()];
    try {
      await Promise.race(both);
    } finally {
      scope.cancel();
      await Promise.all(
        both.map((each) =>
          each.catch((error: unknown) => {
            if (!isCancellation(error)) throw error;
          }),
        ),
      );
    }
  });
}
