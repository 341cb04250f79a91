import { EverthawError } from '../../domain/errors.js';
import { ownEntry } from '../../domain/ownEntry.js';
import type { DiskDescription, DiskLabel } from '../../domain/vm.js';
import { child, element, text, typeOf, type XmlInput } from './xml.js';

/** Controllers by the bus that their disks' labels begin with. */
const BUS_OF_CONTROLLER: Readonly<Record<string, string>> = {
  VirtualLsiLogicController: 'scsi',
  VirtualLsiLogicSASController: 'scsi',
  ParaVirtualSCSIController: 'scsi',
  VirtualBusLogicController: 'scsi',
  VirtualAHCIController: 'sata',
  VirtualNVMEController: 'nvme',
  VirtualIDEController: 'ide',
};

export interface Controller {
  readonly type: string;
  readonly key: number;
  readonly bus: string;
  readonly busNumber: number;
  readonly sharedBus: string;
}

/** A disk device with its place; `node` is the device as the host wrote it. */
export interface DiskDevice {
  readonly label: DiskLabel;
  readonly key: number;
  readonly controller: Controller;
  readonly unitNumber: number;
  readonly fileName: string;
  readonly capacityBytes: number;
  readonly node: XmlInput;
}

export function readControllers(devices: readonly XmlInput[]): readonly Controller[] {
  return devices.flatMap((device) => {
    const type = typeOf(device);
    const bus = ownEntry(BUS_OF_CONTROLLER, type);
    if (bus === undefined) return [];
    return [
      {
        type,
        key: Number(text(device, 'key')),
        bus,
        busNumber: Number(text(device, 'busNumber')),
        sharedBus: text(device, 'sharedBus'),
      },
    ];
  });
}

/** @throws EverthawError HostFault where the host tells no place or size of a disk, or one at no controller that is known */
export function readDisks(devices: readonly XmlInput[]): readonly DiskDevice[] {
  const controllers = readControllers(devices);
  return devices.flatMap((device) => {
    if (typeOf(device) !== 'VirtualDisk') return [];
    const controller = controllers.find(({ key }) => key === Number(text(device, 'controllerKey')));
    // Left out, it would be missing in a backup that is called good.
    if (controller === undefined) throw unplaced(device);
    const unitNumber = Number(text(device, 'unitNumber'));
    const capacityBytes =
      Number(text(device, 'capacityInBytes')) || Number(text(device, 'capacityInKB')) * 1024;
    const label = `${controller.bus}${controller.busNumber}:${unitNumber}`;
    if (!/^[a-z]+\d{1,9}:\d{1,9}$/.test(label) || !Number.isSafeInteger(capacityBytes) || capacityBytes < 0)
      throw new EverthawError({
        code: 'HostFault',
        what: 'read the disks of a VM',
        why: `the host tells of a disk ${label} of ${capacityBytes} bytes`,
        hint: 'look at the VM’s settings in the vSphere Client',
      });
    return [
      {
        label,
        key: Number(text(device, 'key')),
        controller,
        unitNumber,
        fileName: text(device, 'backing', 'fileName'),
        capacityBytes,
        node: device,
      },
    ];
  });
}

function unplaced(disk: XmlInput): EverthawError {
  return new EverthawError({
    code: 'HostFault',
    what: 'read the disks of a VM',
    why: `its disk ${JSON.stringify(text(disk, 'backing', 'fileName'))} hangs on a controller that is not known (key ${JSON.stringify(text(disk, 'controllerKey'))})`,
    hint: 'put it on a SCSI, SATA, NVMe or IDE controller, or back it up from within the guest',
  });
}

export function describeDisk(disk: DiskDevice): DiskDescription {
  const refusal = refusalOfDisk(disk);
  return {
    label: disk.label,
    path: disk.fileName,
    capacityBytes: disk.capacityBytes,
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** Whether the disk's file has a parent: then the file alone is not the disk. */
export function hasParent(disk: DiskDevice): boolean {
  return element(child(disk.node, 'backing', 'parent')) !== undefined;
}

/** What a lease's device URL names the disk by: the end of its key, `ParaVirtualSCSIController0:0`. */
export function leaseKeyOf(disk: {
  readonly controller: Pick<Controller, 'type' | 'busNumber'>;
  readonly unitNumber: number;
}): string {
  return `${disk.controller.type}${disk.controller.busNumber}:${disk.unitNumber}`;
}

/** Disks that no snapshot holds, or that two VMs write (F7). */
function refusalOfDisk(disk: DiskDevice): string | undefined {
  const backing = child(disk.node, 'backing');
  const mode = text(backing, 'diskMode');
  if (mode.startsWith('independent_'))
    return `it is an independent disk (${mode}), which a snapshot leaves out`;
  if (
    typeOf(backing).startsWith('VirtualDiskRawDiskMapping') &&
    text(backing, 'compatibilityMode') === 'physicalMode'
  ) {
    return 'it is a raw device mapping in physical mode, which a snapshot leaves out';
  }
  const sharing = text(backing, 'sharing');
  if (sharing !== '' && sharing !== 'sharingNone') return `other VMs write to it too (${sharing})`;
  if (!['', 'noSharing'].includes(disk.controller.sharedBus))
    return `its controller’s bus is shared (${disk.controller.sharedBus})`;
  return undefined;
}
