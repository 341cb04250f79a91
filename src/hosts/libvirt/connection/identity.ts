import { createHash } from 'node:crypto';
import { EverthawError } from '../../../domain/errors.js';
import type { HostIdentity } from '../../host.js';
import type { Virsh } from './virsh.js';

/**
 * Who a libvirt host is. `qemu:///system` is the machine; a user's session on it is another host, with VMs of its own, and so has
 * an identity of its own.
 */
export async function readIdentity(virsh: Virsh, address: string): Promise<HostIdentity> {
  const capabilities = await virsh.run('ask the host who it is', ['capabilities']);
  const machine = /<host>\s*<uuid>([0-9a-f-]{36})<\/uuid>/i.exec(capabilities)?.[1]?.toLowerCase();
  if (machine === undefined || /^0{8}-/.test(machine)) {
    throw new EverthawError({
      code: 'HostFault',
      what: `ask ${virsh.shell.where} who it is`,
      why: 'libvirt knows no uuid of it',
      hint: 'set host_uuid in libvirtd.conf or virtqemud.conf there',
    });
  }
  const connection = (await virsh.run('ask the host for its URI', ['uri'])).trim();
  const isSession = new URL(connection).pathname === '/session';
  const user = isSession ? (await virsh.shell.run('id', ['-u'])).stdout.trim() : '';
  return {
    uuid: isSession ? derivedUuid(`${machine} ${user} session`) : machine,
    product: productIn(await virsh.run('ask the host for its version', ['version'])),
    address,
  };
}

/** A uuid of version 8 (RFC 9562: of the maker's own making) that is the same for the same text. */
function derivedUuid(text: string): string {
  const bytes = createHash('sha256').update(text).digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  const ends = [0, 8, 12, 16, 20, 32];
  return ends
    .slice(1)
    .map((end, index) => hex.slice(ends[index], end))
    .join('-');
}

function productIn(version: string): string {
  const library = /Using library: (.+)/.exec(version)?.[1];
  const hypervisor = /Running hypervisor: (.+)/.exec(version)?.[1];
  return [library, hypervisor].filter((part) => part !== undefined).join(', ');
}
