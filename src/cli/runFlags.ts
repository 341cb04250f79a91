import type { Command } from 'commander';
import type { RetrySettings } from '../domain/runs.js';
import { addHostFlags, type HostFlags } from './hostFlags.js';
import { wholeNumber } from './values.js';

/** Flags of every command that starts a run. */
export interface RunFlags extends HostFlags {
  readonly retries: string;
  readonly backoff: string;
  readonly json: boolean;
  readonly detach: boolean;
}

export function addRunFlags(command: Command): Command {
  return addHostFlags(
    command
      .option('--retries <number>', 'MAX_RETRIES: retries of a failed operation', '0')
      .option('--backoff <seconds>', 'BACKOFF_TIME: seconds before a retry', '10')
      .option('--detach', 'return as soon as the run is started', false)
      .option('--json', 'one JSON object a line', false),
  );
}

export function retriesOf({ retries, backoff }: RunFlags): RetrySettings {
  return {
    maximumRetries: wholeNumber('--retries', retries),
    backoffMs: wholeNumber('--backoff', backoff) * 1000,
  };
}
