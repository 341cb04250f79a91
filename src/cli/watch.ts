import type { View } from './progress/view.js';

/** How a run is watched: where it is shown, and what is done where the program was interrupted meanwhile. */
export interface Watch {
  readonly view: View;
  /** Whether the terminal is a question's now. */
  readonly isAsking: boolean;
  /** The run has ended: there is nothing to interrupt any more. */
  end(): void;
  endedWell(): void;
  endedBadly(error: unknown): Promise<void>;
}
