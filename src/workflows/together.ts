import { CancellationScope } from '@temporalio/workflow';

/**
 * Does all parts, at most `atOnce` of them at the same time. When one fails the others are cancelled and waited for, then its
 * error is thrown: whoever cleans up after it finds nobody still at work.
 */
export function together<T extends readonly unknown[]>(
  parts: { readonly [K in keyof T]: () => Promise<T[K]> },
  atOnce: number = parts.length,
): Promise<T> {
  return CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    const results: unknown[] = [];
    const failures: unknown[] = [];
    const open = (parts as readonly (() => Promise<unknown>)[]).entries();
    const work = async (): Promise<void> => {
      for (const [n, part] of open) {
        try {
          results[n] = await part();
        } catch (error) {
          failures.push(error);
          scope.cancel();
        }
        if (failures.length > 0) return;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    if (failures.length > 0) throw failures[0];
    return results as unknown as T;
  });
}
