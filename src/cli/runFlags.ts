import type { Command } from 'commander';
import { addHostFlags, addSettingFlags } from './settingFlags.js';

/** Flags of every command that starts a run. */
export interface RunFlags {
  readonly json: boolean;
  readonly detach: boolean;
}

/** Flags of what backs up many VMs. */
export interface SeriesFlags {
  readonly parallel: string;
}

/** Each has a key of its own when it is asked which is to end. A proxy does no more steps at once than so many runs have. */
export const MOST_AT_ONCE = 9;

export function addSeriesFlags(command: Command): Command {
  return command.option('--parallel <number>', `of many VMs so many at once, at most ${MOST_AT_ONCE}`, '1');
}

export function addRunFlags(command: Command): Command {
  return addHostFlags(
    addSettingFlags(command, 'retries', 'backoff')
      .option('--detach', 'return as soon as the run is started', false)
      .option('--json', 'one JSON object a line', false),
  );
}
