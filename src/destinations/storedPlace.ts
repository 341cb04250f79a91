import type { Scripts } from './scripts.js';

/** Where a restore point is, as scripts get there: here, or on another machine. */
export interface StoredPlace {
  /** As it is named to people. */
  readonly directory: string;
  /** As it is called there. */
  readonly path: string;
  readonly scripts: Scripts;
}
