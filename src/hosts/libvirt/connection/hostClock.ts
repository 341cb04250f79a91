import { EverthawError } from '../../../domain/errors.js';
import type { Virsh } from './virsh.js';

/** The hypervisor's clock. */
export async function hostNow({ shell }: Virsh): Promise<Date> {
  const { stdout } = await shell.run('date', ['+%s%N']);
  const now = new Date(Number(stdout.trim()) / 1e6);
  if (!Number.isNaN(now.getTime())) return now;
  throw new EverthawError({
    code: 'HostFault',
    what: 'read the clock of the hypervisor’s machine',
    why: `date said "${stdout.trim()}"`,
    hint: 'the machine needs GNU date',
  });
}
