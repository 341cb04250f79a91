import type { FreezeScriptResult, Step, ThawScriptResult } from '../domain/runs.js';
import { cancellationSignal } from '@temporalio/activity';
import { formatOwner } from '../domain/owner.js';
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
    const outcome = await guest.pauseApplication(
      input.vm.instanceUuid,
      { runId: input.run.runId, description },
      cancellationSignal(),
    );
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
    const outcome = await guest.resumeApplication(input.vm.instanceUuid, input.run.runId);
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
