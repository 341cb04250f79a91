import type { Absence } from '../domain/holding.js';

/** What became of a script in the guest (F2). */
export interface ScriptOutcome {
  readonly exitCode: number;
  /** The end of what it printed. */
  readonly output: string;
}

/** Something that a guest is owed: an application that was paused, a freeze. */
export interface GuestDebt {
  readonly kind: 'pausedApplication' | 'freeze';
  readonly vmUuid: string;
  readonly vmName: string;
  /** Carries the owner record, as a snapshot's description does. */
  readonly description: string;
}

/**
 * The guest's freeze scripts and its freeze, on hosts where running them is our part. What is owed is noted on the host before it
 * is done, so that whoever cleans up finds it there, whoever died.
 */
export interface GuestControl {
  /** Whether an agent answers in the guest that can freeze it. */
  answers(instanceUuid: string): Promise<boolean>;
  /**
   * Runs the pre-freeze script where the guest has one; undefined where it has none, and then nothing is owed.
   *
   * @throws EverthawError FreezeScriptFailed with exit code and output where it fails: post-thaw is owed all the same. QuiesceFailed where
   * it cannot be known whether the guest has one.
   */
  pauseApplication(
    instanceUuid: string,
    request: { readonly runId: string; readonly description: string },
    signal: AbortSignal,
  ): Promise<ScriptOutcome | undefined>;
  /** Runs the post-thaw script where the run owes it; undefined where it does not, or the guest has none. */
  resumeApplication(instanceUuid: string, runId: string): Promise<ScriptOutcome | undefined>;
  /** Thaws what the run froze, and nothing that another did. */
  thaw(instanceUuid: string, runId: string): Promise<void>;
  absence(kind: GuestDebt['kind'], instanceUuid: string, runId: string): Promise<Absence>;
  /** Everything that any guest of the host is owed. */
  debts(): Promise<readonly GuestDebt[]>;
}
