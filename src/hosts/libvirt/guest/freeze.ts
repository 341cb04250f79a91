import { randomBytes } from 'node:crypto';
import { EverthawError, isErrorWithCode, messageOf } from '../../../domain/errors.js';
import { armSwitch, disarmSwitch } from './deadMansSwitch.js';
import { GuestAgent } from './guestAgent.js';
import { removeRecords, writeRecords } from '../snapshot/holdDirectory.js';
import type { Freezing, Hold } from '../snapshot/holdRecords.js';
import type { Libvirt } from '../connection/libvirt.js';
import type { PointInTime } from '../snapshot/pointInTime.js';
import type { VmLook } from '../snapshot/vmLook.js';

/** After the switch's time has come, what it may take until a guest that is slow has let everything go. */
const SWITCH_SLACK_MS = 60_000;

/** A freeze that is noted and guarded, about to be asked for. */
export interface ReadyFreeze {
  readonly agent: GuestAgent;
  readonly nonce: string;
  /** Whether a switch of ours was armed; Windows has its own. */
  readonly isArmed: boolean;
}

/**
 * Everything that a freeze needs before it: the note that it is owed, and the switch in the guest that ends it.
 *
 * @throws EverthawError QuiesceFailed, with nothing left behind
 */
export async function readyFreeze(
  { virsh, settings }: Libvirt,
  hold: string,
  look: VmLook,
  now: Date,
): Promise<ReadyFreeze> {
  const agent = new GuestAgent(virsh, look.uuid);
  const what = `freeze VM "${look.domain.name}"`;
  if (look.state !== 'running' || look.domainId === undefined) throw unable(what, `it is ${look.state}`);
  if (!(await agent.answers())) throw unable(what, 'no guest agent answers in it');
  if (await agent.isFrozen())
    throw unable(what, 'somebody else holds it frozen already (virsh domfsthaw lets it go)');
  const nonce = randomBytes(12).toString('hex');
  const isWindows = await agent.isWindows();
  const freeFrom = new Date(now.getTime() + settings.switchSeconds * 1000 + SWITCH_SLACK_MS).toISOString();
  await writeRecords(virsh, hold, { freezing: { nonce, domainId: look.domainId, freeFrom } });
  try {
    if (!isWindows) await armSwitch(agent, nonce, settings.switchSeconds);
    return { agent, nonce, isArmed: !isWindows };
  } catch (error) {
    if (settings.freezeUnguarded && isErrorWithCode(error, 'QuiesceFailed')) {
      await writeRecords(virsh, hold, { freezing: { nonce, domainId: look.domainId } });
      return { agent, nonce, isArmed: false };
    }
    await disarmSwitch(agent, nonce).catch(() => undefined);
    await removeRecords(virsh, hold, ['freezing']);
    throw error;
  }
}

/** Disarms after the thaw, and tells whether the guest was frozen from before the point in time until after it. */
export async function endFreeze(
  { virsh }: Libvirt,
  hold: string,
  { agent, nonce, isArmed }: ReadyFreeze,
  outcome: PointInTime,
): Promise<{ readonly held: boolean; readonly warnings: readonly string[] }> {
  const { frozen = 0, thawed } = outcome;
  if (thawed === undefined) {
    return { held: false, warnings: ['nobody answered when the guest was to be let go; it is tried again'] };
  }
  const disarmed = isArmed
    ? await disarmSwitch(agent, nonce).catch((error: unknown) => messageOf(error))
    : { hadFired: false };
  await removeRecords(virsh, hold, ['freezing']);
  const warnings = [
    ...(frozen === 0 ? ['the guest has no file system that its agent could freeze'] : []),
    ...(thawed < frozen || (typeof disarmed === 'object' && disarmed.hadFired)
      ? [
          'the guest was let go before the snapshot was seen to be taken, by its own switch or by somebody else: it counts as crash-consistent',
        ]
      : []),
  ];
  return {
    held: warnings.length === 0,
    warnings: [
      ...warnings,
      ...(typeof disarmed === 'string' ? [`the switch in the guest could not be disarmed: ${disarmed}`] : []),
    ],
  };
}

/**
 * Lets go what a run froze, as its note says, and removes the note. A guest that was started anew since is not frozen; one whose
 * agent does not answer any more was let go by its own switch.
 *
 * @throws EverthawError while the guest may be frozen
 */
export async function letGoFreeze(
  libvirt: Libvirt,
  hold: Hold & { readonly freezing: Freezing },
  look: VmLook | undefined,
  now: Date,
): Promise<void> {
  const { virsh } = libvirt;
  const { freezing } = hold;
  if (look?.domainId === freezing.domainId) {
    const agent = new GuestAgent(virsh, look.uuid);
    try {
      if (await agent.isFrozen()) {
        await virsh.run(`thaw VM "${look.domain.name}"`, ['domfsthaw', look.uuid]);
      }
      await disarmSwitch(agent, freezing.nonce).catch(() => undefined);
    } catch (error) {
      const isFreeByNow = freezing.freeFrom !== undefined && freezing.freeFrom < now.toISOString();
      if (!isFreeByNow || isErrorWithCode(error, 'HostUnreachable')) throw error;
    }
  }
  await removeRecords(virsh, hold.path, ['freezing']);
}

/** The error of a freeze that did not come about. */
export function freezeFailed(look: VmLook, { freezeSaid }: PointInTime, seconds: number): EverthawError {
  const said = freezeSaid.replace(/^error: /gm, '');
  return unable(
    `freeze VM "${look.domain.name}"`,
    said === '' ? `its file systems were not frozen within ${seconds} s` : said,
  );
}

function unable(what: string, why: string): EverthawError {
  return new EverthawError({
    code: 'QuiesceFailed',
    what,
    why,
    hint: 'see that qemu-guest-agent runs in the guest, or allow a crash-consistent backup with --quiesce preferred',
    retry: 'again',
  });
}
