/**
 * How long things may take, as the product promises it on a machine of its own; on a busy one with two cores a case fails only past
 * a multiple of it.
 */
export const BOUNDS = {
  /** From a worker being back until the run goes on. */
  progress: { promisedMs: 15_000, failsMs: 45_000 },
  /** From a cancellation until nothing copies any more. */
  transferStopped: { promisedMs: 2000, failsMs: 10_000 },
  /** From a cancellation until all is let go. */
  letGoAfterCancel: { promisedMs: 5000, failsMs: 20_000 },
  /** From the end of a run's own work, or from the last harm being mended, until all is let go. */
  letGo: { promisedMs: 20_000, failsMs: 90_000 },
  /** From the first moment that a guest is frozen to the last. */
  frozen: { promisedMs: 10_000, failsMs: 15_000 },
} as const;

/** How long a run may take in all. */
export const RUN_PATIENCE_MS = 240_000;
/** How often a sweep is tried before its left-overs are called so. */
export const SWEEPS = 5;
