import { posix } from 'node:path';
import type { Volume } from './volume.js';

/** A line of a guest's fstab that mounts a disk's file system. */
export interface FstabLine {
  readonly device: string;
  readonly mountPoint: string;
  /** Mounts a part of a file system: a btrfs subvolume, or a directory. */
  readonly isPart: boolean;
}

/** File systems that lie on no disk of the VM. */
const NOT_ON_DISKS =
  /^(?:swap|proc|sysfs|tmpfs|devtmpfs|devpts|none|nfs\d?|cifs|smb3|9p|virtiofs|overlay|fuse\..*)$/;

export function parseFstab(text: string): readonly FstabLine[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line): readonly FstabLine[] => {
      const [device = '', mountPoint = '', type = '', options = ''] = line.split(/\s+/).map(unescapeOctal);
      if (!mountPoint.startsWith('/') || mountPoint.includes('\0') || NOT_ON_DISKS.test(type)) return [];
      const isPart = options.split(',').some((each) => /^(?:r?bind|subvol(?:id)?=.*)$/.test(each));
      return [
        { device: device.replace(/=(["'])(.*)\1$/, '=$2'), mountPoint: withinRoot(mountPoint), isPart },
      ];
    });
}

/** A guest may write `/../..`: for it that is its root, and here it must not lead out of where its files are copied to. */
function withinRoot(mountPoint: string): string {
  return posix.normalize(mountPoint).replace(/(.)\/$/s, '$1');
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

const BY_TAG = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.+)$/;
const BY_LINK = /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/;
const BY_NAME = /^\/dev\/(?:(sd|hd|vd|xvd)([a-z])(\d*)|nvme(\d)n1(?:p(\d+))?)$/;
/** Places of disks (F12) by how Linux calls the disks there, in that order. */
const BUSES: Readonly<Record<string, RegExp>> = {
  sd: /^(?:scsi|sata|usb)/,
  hd: /^ide/,
  vd: /^virtio/,
  xvd: /^(?:xen|scsi|ide)/,
  nvme: /^nvme/,
};

/** The volumes that a device of an fstab may mean: one, if it is here and the only one of its name. */
export function volumesOf(
  device: string,
  volumes: readonly Volume[],
  disks: readonly string[],
): readonly Volume[] {
  const [, tag, value] = BY_TAG.exec(device) ?? BY_LINK.exec(device) ?? [];
  if (tag !== undefined && value !== undefined) {
    const key = ({ uuid: 'uuid', label: 'label', partuuid: 'partUuid', partlabel: 'partLabel' } as const)[
      tag.toLowerCase()
    ];
    const isUuid = key === 'uuid' || key === 'partUuid';
    return key === undefined
      ? []
      : volumes.filter(({ [key]: found }) =>
          isUuid ? found?.toLowerCase() === value.toLowerCase() : found === value,
        );
  }
  const [, bus = 'nvme', letter, partition, nvme, nvmePartition] = BY_NAME.exec(device) ?? [];
  const index = letter === undefined ? Number(nvme) : letter.charCodeAt(0) - 'a'.charCodeAt(0);
  const disk = disks.filter((label) => BUSES[bus]?.test(label))[index];
  const number = partition ?? nvmePartition ?? '';
  return volumes.filter(
    ({ id }) => disk !== undefined && id === (number === '' ? disk : `${disk}/${number}`),
  );
}
