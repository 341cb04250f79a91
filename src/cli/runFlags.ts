import type { Command } from 'commander';
import { addHostFlags, addSettingFlags } from './settingFlags.js';

/** Flags of every command that starts a run. */
export interface RunFlags {
  readonly json: boolean;
  readonly detach: boolean;
}

export function addRunFlags(command: Command): Command {
  return addHostFlags(
    addSettingFlags(command, 'retries', 'backoff')
      .option('--detach', 'return as soon as the run is started', false)
      .option('--json', 'one JSON object a line', false),
  );
}
