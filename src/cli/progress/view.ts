import type { Output } from '../output.js';
import { Bars } from './bars.js';
import { Lines } from './lines.js';
import type { Screen } from './screen.js';
import type { Sight } from './sight.js';

/** How a run is shown while it is followed. */
export interface View {
  show(sight: Sight): void;
  /** Makes room for what others want to say; the next {@link show} goes on. */
  pause(): void;
  /** Leaves what is worth keeping. */
  end(): void;
}

/** Bars on a terminal, on a screen that several may share; else a line for each step, and JSON lines for programs. */
export function viewFor(output: Output, screen?: Screen, brief?: string): View {
  return process.stdout.isTTY && !output.json ? new Bars(output, screen, brief) : new Lines(output);
}
