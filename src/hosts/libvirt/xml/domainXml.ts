import { EverthawError } from '../../../domain/errors.js';
import { diskLabelOf } from './diskLabel.js';
import type { DiskImage, Domain, DomainDisk } from './domain.js';
import { readRestored } from './metadata.js';
import { parseTree, type XmlElement } from './xmlTree.js';

const AGENT_CHANNEL = 'org.qemu.guest_agent.0';

/** @throws EverthawError HostFault where the text is no domain that a hypervisor would describe so. */
export function parseDomain(xml: string): Domain {
  return readDomain(parseTree(xml, 'domain'));
}

export function readDomain(domain: XmlElement): Domain {
  const name = domain.at('name')?.wholeText() ?? '';
  if (name === '') throw broken('a domain', 'it has no name');
  const disks = diskElements(domain).map(readDisk);
  const labels = new Set(disks.map(({ label }) => label));
  // Everything that is kept of a disk goes by its label: two of one label would overwrite each other.
  if (labels.size < disks.length) throw broken(`domain "${name}"`, 'two of its disks have the same place');
  const uuid = domain.at('uuid')?.text() ?? '';
  return {
    name,
    uuid,
    disks,
    nvram: nvramPath(domain),
    hasTpm: domain.at('devices', 'tpm', 'backend')?.get('type') === 'emulator',
    hasAgentChannel:
      domain
        .at('devices')
        ?.elements('channel')
        .some((channel) => channel.at('target')?.get('name') === AGENT_CHANNEL) ?? false,
    restored: readRestored(domain, uuid),
  };
}

export function diskElements(domain: XmlElement): readonly XmlElement[] {
  return domain.at('devices')?.elements('disk') ?? [];
}

/** An NVRAM file's path: in the element's text, or in a source of its own where it may be elsewhere. */
export function nvramPath(domain: XmlElement): string | undefined {
  const nvram = domain.at('os', 'nvram');
  const path = nvram?.at('source')?.get('file') ?? nvram?.text() ?? '';
  return path === '' ? undefined : path;
}

function readDisk(disk: XmlElement): DomainDisk {
  const device = disk.get('device') ?? 'disk';
  const sourceType = disk.get('type') ?? 'file';
  return {
    target: disk.at('target')?.get('dev') ?? '',
    label: diskLabelOf(disk),
    device: device === 'cdrom' || device === 'floppy' || device === 'lun' ? device : 'disk',
    sourceType,
    path: pathOf(disk, sourceType),
    protocol: disk.at('source')?.get('protocol'),
    format: disk.at('driver')?.get('type') ?? 'raw',
    backing: backingOf(disk),
    readOnly: disk.at('readonly') !== undefined,
    encrypted: (disk.at('encryption') ?? disk.at('source', 'encryption')) !== undefined,
    shareable: disk.at('shareable') !== undefined,
    transient: disk.at('transient') !== undefined,
  };
}

function backingOf(disk: XmlElement): readonly DiskImage[] {
  const images: DiskImage[] = [];
  for (let at = disk.at('backingStore'); at !== undefined; at = at.at('backingStore')) {
    // An empty one says that the chain ends here.
    if (at.at('source') === undefined) break;
    images.push({
      path: pathOf(at, at.get('type') ?? 'file'),
      format: at.at('format')?.get('type') ?? 'raw',
    });
  }
  return images;
}

function pathOf(holder: XmlElement, sourceType: string): string | undefined {
  if (sourceType !== 'file' && sourceType !== 'block') return undefined;
  return holder.at('source')?.get(sourceType === 'file' ? 'file' : 'dev');
}

function broken(what: string, why: string): EverthawError {
  return new EverthawError({
    code: 'HostFault',
    what: `read the XML of ${what}`,
    why,
    hint: 'see what virsh dumpxml prints, and that nobody edited the text by hand',
  });
}
