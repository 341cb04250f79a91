import type { Output } from '../output.js';
import { Bars } from './bars.js';
import { Lines } from './lines.js';
import type { Sight } from './sight.js';

/** How a run is shown while it is followed. */
export interface View {
  show(sight: Sight): void;
  /** Makes room for what others want to say; the next {@link show} goes on. */
  pause(): void;
  /** Leaves what is worth keeping. */
  end(): void;
}

/** Bars on a terminal; else a line for each step, and JSON lines for programs. */
export function viewFor(output: Output): View {
  return process.stdout.isTTY && !output.json ? new Bars(output) : new Lines(output);
}
