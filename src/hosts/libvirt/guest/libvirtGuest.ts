import { EverthawError, isErrorWithCode } from '../../../domain/errors.js';
import type { Absence } from '../../../domain/holding.js';
import type { GuestControl, GuestDebt, ScriptOutcome } from '../../guestControl.js';
import { letGoFreeze } from './freeze.js';
import { findScript, runScript } from './freezeScripts.js';
import { GuestAgent } from './guestAgent.js';
import { holdPath, readHolds, removeRecords, writeRecords } from '../snapshot/holdDirectory.js';
import type { Hold, Paused } from '../snapshot/holdRecords.js';
import { allRoots, rootFor } from '../snapshot/holdRoots.js';
import { holdsOf } from '../snapshot/holds.js';
import { hostNow } from '../connection/hostClock.js';
import type { Libvirt } from '../connection/libvirt.js';
import { lookAt, lookIfThere, type VmLook } from '../snapshot/vmLook.js';

/** What pausedApplication and freeze owe, and where it is noted. */
const RECORD_OF = { pausedApplication: 'paused', freeze: 'freezing' } as const satisfies Record<
  GuestDebt['kind'],
  keyof Hold
>;

/** The guest's scripts and freeze of a libvirt host, by the QEMU guest agent. */
export class LibvirtGuest implements GuestControl {
  readonly #libvirt: Libvirt;

  constructor(libvirt: Libvirt) {
    this.#libvirt = libvirt;
  }

  async answers(instanceUuid: string): Promise<boolean> {
    const agent = new GuestAgent(this.#libvirt.virsh, instanceUuid);
    if (!(await agent.answers())) return false;
    // One that holds its guest frozen names what it does not do meanwhile as switched off.
    return (await agent.commands()).has('guest-fsfreeze-freeze') || (await agent.isFrozen());
  }

  async pauseApplication(
    instanceUuid: string,
    { runId, description }: { readonly runId: string; readonly description: string },
    signal: AbortSignal,
  ): Promise<ScriptOutcome | undefined> {
    const { virsh, settings } = this.#libvirt;
    const look = await lookAt(virsh, instanceUuid);
    if (look.domainId === undefined) return undefined;
    const agent = new GuestAgent(virsh, instanceUuid);
    const script = await findScript(agent, 'preFreeze').catch((error: unknown) => {
      // Where its agent runs nothing, whether a guest has scripts cannot be known.
      if (settings.freezeUnguarded && isErrorWithCode(error, 'QuiesceFailed')) return undefined;
      throw error;
    });
    if (script?.exists !== true) return undefined;
    if (!script.isExecutable) throw notExecutable(look, script.path);
    signal.throwIfAborted();
    await writeRecords(virsh, holdPath(rootFor(this.#libvirt, look), instanceUuid, runId), {
      paused: { domainId: look.domainId, bootId: script.bootId },
      owner: { vmUuid: instanceUuid, vmName: look.domain.name, runId, description },
    });
    const outcome = await runScript(agent, script.path, settings.scriptTimeoutMs, signal);
    if (outcome.exitCode === 0) return outcome;
    throw scriptFailed(look, script.path, outcome);
  }

  async resumeApplication(instanceUuid: string, runId: string): Promise<ScriptOutcome | undefined> {
    const { virsh, settings } = this.#libvirt;
    const hold = await this.#holdOf(instanceUuid, runId);
    if (hold?.paused === undefined) return undefined;
    const look = await lookIfThere(virsh, instanceUuid);
    let outcome: ScriptOutcome | undefined;
    if (look !== undefined && mayBePaused(look, hold.paused)) {
      const agent = new GuestAgent(virsh, instanceUuid);
      const script = await findScript(agent, 'postThaw');
      if (script.exists && script.bootId === hold.paused.bootId)
        outcome = await runScript(agent, script.path, settings.scriptTimeoutMs);
    }
    await removeRecords(virsh, hold.path, ['paused']);
    return outcome;
  }

  async thaw(instanceUuid: string, runId: string): Promise<void> {
    const { virsh } = this.#libvirt;
    const hold = await this.#holdOf(instanceUuid, runId);
    if (hold?.freezing === undefined) return;
    const look = await lookIfThere(virsh, instanceUuid);
    await letGoFreeze(this.#libvirt, { ...hold, freezing: hold.freezing }, look, await hostNow(virsh));
  }

  async absence(kind: GuestDebt['kind'], instanceUuid: string, runId: string): Promise<Absence> {
    const hold = await this.#holdOf(instanceUuid, runId);
    return hold?.[RECORD_OF[kind]] === undefined
      ? { state: 'gone' }
      : { state: 'present', why: `it is noted in ${hold.path}` };
  }

  async debts(): Promise<readonly GuestDebt[]> {
    const holds = await readHolds(this.#libvirt.virsh, await allRoots(this.#libvirt));
    return holds.flatMap((hold) => {
      const { owner } = hold;
      if (owner === undefined) return [];
      return (['freeze', 'pausedApplication'] as const)
        .filter((kind) => hold[RECORD_OF[kind]] !== undefined)
        .map((kind) => ({
          ...{ kind, vmUuid: owner.vmUuid },
          ...{ vmName: owner.vmName, description: owner.description },
        }));
    });
  }

  async #holdOf(instanceUuid: string, runId: string): Promise<Hold | undefined> {
    return (await holdsOf(this.#libvirt, instanceUuid)).find(({ owner }) => owner?.runId === runId);
  }
}

/**
 * A guest that was started anew since has an application that nobody paused. One whose memory was saved goes on where it was, under
 * another id of libvirt's: its own boot tells then, where it has one to tell.
 *
 * @throws EverthawError while its memory is saved, with the paused application in it
 */
function mayBePaused({ domain, domainId, reason, hasSavedMemory }: VmLook, paused: Paused): boolean {
  if (domainId === undefined && hasSavedMemory) {
    throw new EverthawError({
      code: 'QuiesceFailed',
      what: `resume the application in VM "${domain.name}"`,
      why: 'its memory is saved, with the paused application in it',
      hint: `start it (virsh start ${domain.name}), or throw its memory away (virsh managedsave-remove)`,
      retry: 'again',
    });
  }
  if (domainId === undefined) return false;
  return domainId === paused.domainId || (paused.bootId !== '' && reason !== 'booted');
}

function notExecutable({ domain }: VmLook, path: string): EverthawError {
  return new EverthawError({
    code: 'FreezeScriptFailed',
    what: `run ${path} in VM "${domain.name}"`,
    why: 'it is there, but not executable',
    hint: `in the guest: chmod 755 ${path}, or remove it where it is not to be run`,
  });
}

function scriptFailed({ domain }: VmLook, path: string, { exitCode, output }: ScriptOutcome): EverthawError {
  const said = output === '' ? ' and said nothing' : `: ${output}`;
  return new EverthawError({
    code: 'FreezeScriptFailed',
    what: `run ${path} in VM "${domain.name}"`,
    why: `it ended with ${exitCode}${said}`,
    hint: 'mend the script in the guest; --quiesce none takes a crash-consistent backup without it',
  });
}
