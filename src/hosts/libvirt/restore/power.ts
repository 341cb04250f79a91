import { EverthawError } from '../../../domain/errors.js';
import type { ReadDomain } from '../inventory/domains.js';
import { requireVm } from './marks.js';
import type { Virsh } from '../connection/virsh.js';

/** Starts it, unless it runs. */
export async function powerOn(virsh: Virsh, moref: string): Promise<void> {
  const { domain, isRunning } = await requireVm(virsh, moref);
  if (!isRunning) await virsh.run(`power VM "${domain.name}" on`, ['start', domain.uuid]);
}

/** @throws EverthawError VmInUse */
export function requireOff({ domain, state }: ReadDomain, what: string): void {
  if (state === 'off') return;
  throw new EverthawError({
    code: 'VmInUse',
    what: `${what} VM "${domain.name}"`,
    why: state === 'on' ? 'it is powered on' : 'it is suspended, its memory is kept',
    hint: 'power it off first: virsh shutdown, or virsh managedsave-remove',
    retry: 'again',
  });
}
