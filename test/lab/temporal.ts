import { inject } from 'vitest';
import type { TemporalAddress } from '../../src/temporal/client.js';

declare module 'vitest' {
  interface ProvidedContext {
    temporalAddress: string;
  }
}

/** The namespace of the test files that run in one of vitest's processes, one after the other. */
export function namespaceOfPool(poolId: string | number): string {
  return `tests-${poolId}`;
}

/**
 * The tests' Temporal server, in a namespace that no other file uses at this moment: workers of one namespace serve the same workflow queue,
 * and a file's run would wait for the time-out of a workflow task that another file's killed worker had taken.
 */
export function labTemporal(): TemporalAddress {
  return {
    address: inject('temporalAddress'),
    namespace: namespaceOfPool(process.env['VITEST_POOL_ID'] ?? ''),
  };
}
