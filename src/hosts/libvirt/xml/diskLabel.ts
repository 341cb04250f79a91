import type { DiskLabel } from '../../../domain/vm.js';
import type { XmlElement } from './xmlTree.js';

const BUS_OF_PREFIX: Readonly<Record<string, string>> = {
  vd: 'virtio',
  sd: 'scsi',
  hd: 'ide',
  fd: 'fdc',
  xvd: 'xen',
};
const LARGEST_LUN = 16_384;
/** Of a manifest's labels. */
const LONGEST_BUS = 16;

/**
 * Our name of a disk's place. A SCSI disk's is its address, which stays when another disk goes; where there is no address, and on
 * buses that have no controllers to tell apart, it is the letter of libvirt's name.
 */
export function diskLabelOf(disk: XmlElement): DiskLabel {
  const target = disk.at('target')?.get('dev') ?? '';
  const bus = busOf(disk, target);
  const index = indexOf(target);
  const address = disk.at('address');
  const part = (name: string): number => Number(/^\d{1,5}$/.exec(address?.get(name) ?? '')?.[0] ?? 0);
  if (bus === 'scsi' && address?.get('type') === 'drive') {
    const unit = (part('bus') * 256 + part('target')) * LARGEST_LUN + part('unit');
    return `scsi${part('controller')}:${unit}`;
  }
  // Two disks for each of the two cables.
  if (bus === 'ide') return `ide${Math.floor(index / 2)}:${index % 2}`;
  return `${bus}0:${index}`;
}

function busOf(disk: XmlElement, target: string): string {
  const given = disk.at('target')?.get('bus') ?? BUS_OF_PREFIX[/^(?:xvd|[a-z]d)/.exec(target)?.[0] ?? ''];
  const bus = given?.toLowerCase().replace(/[^a-z]/g, '') ?? '';
  return bus === '' ? 'disk' : bus.slice(0, LONGEST_BUS);
}

/** `vda` is 0, `vdaa` 26; `nvme0n2` 1. */
function indexOf(target: string): number {
  const namespace = /^nvme\d+n(\d{1,9})$/.exec(target)?.[1];
  if (namespace !== undefined) return Math.max(Number(namespace) - 1, 0);
  const letters = /^(?:xvd|[a-z]d)([a-z]{1,4})$/.exec(target)?.[1] ?? 'a';
  return Array.from(letters).reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 96, 0) - 1;
}
