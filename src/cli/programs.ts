import type { Command } from 'commander';
import * as historic from './historic.js';
import { everthaw } from './program.js';

/** Every program that is installed, by its definition: everthaw first, then those of historic names. */
export function programs(): readonly Command[] {
  return [everthaw(), ...Object.values(historic).map((program) => program())];
}
