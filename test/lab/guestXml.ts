import { join } from 'node:path';
import type { Accelerator } from './accelerator.js';
import { GUEST } from './programs.js';

export interface GuestDisk {
  readonly target: string;
  readonly file: string;
  readonly format: 'raw' | 'qcow2';
}

export interface GuestDomain {
  readonly name: string;
  readonly uuid: string;
  readonly disks: readonly GuestDisk[];
  readonly accelerator: Accelerator;
  /** Where the console's text goes. */
  readonly console: string;
}

/**
 * The domain of a lab guest, as plain as can be. Its devices are the same for every VM: memory that was saved of one is
 * restored into another.
 */
export function domainXml({ name, uuid, disks, accelerator, console }: GuestDomain): string {
  return `<domain type='${accelerator}'>
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>192</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${join(GUEST, 'vmlinuz')}</kernel>
    <initrd>${join(GUEST, 'initrd')}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1</cmdline>
  </os>
  <features><acpi/></features>
  <clock offset='utc'/>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
${disks.map(diskXml).join('\n')}
    <serial type='file'><source path='${console}'/><target port='0'/></serial>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <interface type='user'><mac address='52:54:00:6c:61:62'/><model type='virtio'/></interface>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
`;
}

function diskXml({ target, file, format }: GuestDisk): string {
  return `    <disk type='file' device='disk'>
      <driver name='qemu' type='${format}'/><source file='${file}'/><target dev='${target}' bus='virtio'/>
    </disk>`;
}
