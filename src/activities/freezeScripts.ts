import { cancellationSignal } from '@temporalio/activity';
import { isErrorWithCode } from '../domain/errors.js';
import { formatOwner } from '../domain/owner.js';
import type { FreezeScriptResult, Step, ThawScriptResult } from '../domain/runs.js';
import type { ScriptOutcome } from '../hosts/guestControl.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';
import type { FreezeInput } from './snapshot.js';

/** Runs the pre-freeze script where that is ours to do (F2); on vSphere it says who does it instead, and runs nothing twice. */
export function createFreezeScript(dependencies: Dependencies) {
  return async function freezeScript(input: FreezeInput): Promise<FreezeScriptResult> {
    if (input.quiesce === 'none') return nobody('quiescing is switched off for this backup');
    if (!input.toolsRunning) return nobody('no guest tools run in the VM');
    const { guest } = await hostOf(dependencies, input);
    if ('scriptsRunBy' in guest) {
      return {
        ranBy: guest.scriptsRunBy,
        note: 'pre-freeze and post-thaw scripts, where the guest has them, run as part of the snapshot',
        applicationReady: false,
      };
    }
    const description = formatOwner(await ownerOf(dependencies, input));
    const request = { runId: input.run.runId, description };
    let outcome: ScriptOutcome | undefined;
    try {
      outcome = await guest.pauseApplication(input.vm.instanceUuid, request, cancellationSignal());
    } catch (error) {
      // A script that fails ends the run (F2); a guest that runs none for us may be backed up as it is, where that is allowed.
      if (input.quiesce !== 'preferred' || !isErrorWithCode(error, 'QuiesceFailed')) throw error;
      return nobody(`the guest runs no scripts for us: ${error.why}`);
    }
    return outcome === undefined
      ? nobody('the guest has no pre-freeze script')
      : { ranBy: 'Everthaw', note: 'pre-freeze succeeded', applicationReady: true };
  };
}

/** Runs the post-thaw script of what was paused. Its failure is told, and does not fail the backup (F2). */
export function createThawScript(dependencies: Dependencies) {
  return async function thawScript(input: Step): Promise<ThawScriptResult> {
    const { guest } = await hostOf(dependencies, input);
    if ('scriptsRunBy' in guest) return { note: `run by ${guest.scriptsRunBy}`, warnings: [] };
    let outcome: ScriptOutcome | undefined;
    try {
      outcome = await guest.resumeApplication(input.vm.instanceUuid, input.run.runId);
    } catch (error) {
      if (!isErrorWithCode(error, 'QuiesceFailed')) throw error;
      // It stays owed, and is tried until it is done.
      return { note: 'no answer', warnings: [`the post-thaw script was not seen to run: ${error.why}`] };
    }
    if (outcome === undefined) return { note: 'none to run', warnings: [] };
    if (outcome.exitCode === 0) return { note: 'post-thaw succeeded', warnings: [] };
    const said = outcome.output === '' ? '' : ` (${outcome.output})`;
    return {
      note: 'post-thaw failed',
      warnings: [
        `the post-thaw script ended with ${outcome.exitCode}${said}: see that the application runs again`,
      ],
    };
  };
}

function nobody(note: string): FreezeScriptResult {
  return { ranBy: 'nobody', note, applicationReady: false };
}
