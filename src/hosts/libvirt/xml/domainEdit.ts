import { diskElements } from './domainXml.js';
import { formatTree, parseTree, XmlElement } from './xmlTree.js';

/** A domain's XML with changes, and everything else as it was. @throws EverthawError HostFault as parseDomain does */
export function editDomain(xml: string, edit: (domain: XmlElement) => void): string {
  const domain = parseTree(xml, 'domain');
  edit(domain);
  return formatTree(domain);
}

export function setName(domain: XmlElement, name: string): void {
  childOf(domain, 'name').setText(name);
}

/** Also where the guest is told it by SMBIOS: libvirt refuses a domain with two. */
export function setUuid(domain: XmlElement, uuid: string): void {
  childOf(domain, 'uuid').setText(uuid);
  for (const system of domain.elements('sysinfo').flatMap((sysinfo) => sysinfo.elements('system')))
    for (const entry of system.elements('entry')) if (entry.get('name') === 'uuid') entry.setText(uuid);
}

/** Tells the guest that its past is not what it remembers: what was restored may have gone on elsewhere. */
export function renewGeneration(domain: XmlElement): void {
  for (const generation of domain.elements('genid')) generation.children.length = 0;
}

/** Lets a disk be that image alone, whatever it was before, and without what lay under it. */
export function setDiskImage(
  domain: XmlElement,
  target: string,
  image: { readonly path: string; readonly format: string; readonly isDevice: boolean },
): void {
  for (const disk of diskElements(domain)) {
    if (disk.at('target')?.get('dev') !== target) continue;
    for (const name of ['source', 'backingStore', 'mirror']) disk.removeAll(name);
    disk.set('type', image.isDevice ? 'block' : 'file');
    childOf(disk, 'driver').set('type', image.format);
    disk.children.push(new XmlElement('source', { [image.isDevice ? 'dev' : 'file']: image.path }));
  }
}

/** Takes the medium out of a drive. */
export function emptyDrive(domain: XmlElement, target: string): void {
  for (const disk of diskElements(domain)) {
    if (disk.at('target')?.get('dev') !== target) continue;
    disk.set('type', 'file');
    disk.removeAll('source');
    disk.removeAll('backingStore');
  }
}

/** Where the firmware keeps its variables, if it keeps any in a file. */
export function setNvram(domain: XmlElement, path: string): void {
  const nvram = domain.at('os', 'nvram');
  if (nvram === undefined) return;
  nvram.unset('type');
  nvram.setText(path);
}

/** Gives every network card an address of its own, and lets libvirt name its other end. */
export function renewAddresses(domain: XmlElement, random: () => readonly number[]): void {
  for (const card of interfacesOf(domain)) {
    // The prefix that QEMU's cards have.
    const mac = [0x52, 0x54, 0x00, ...random().slice(0, 3)];
    childOf(card, 'mac').set('address', mac.map((byte) => byte.toString(16).padStart(2, '0')).join(':'));
    card.removeAll('target');
  }
}

/** What says how a card reaches the network that it is on now. */
const OF_THE_OLD_NETWORK = [
  ...['source', 'virtualport', 'backend', 'script', 'downscript', 'ip', 'route', 'portForward'],
  ...['teaming', 'target', 'vlan'],
];
/** Cards that are something else than an emulated one: their driver means nothing on a virtual network. */
const PASSED_THROUGH = ['hostdev', 'vdpa', 'vhostuser'];

/** Puts every network card on one network of libvirt's. */
export function setNetwork(domain: XmlElement, network: string): void {
  for (const card of interfacesOf(domain)) {
    const given = card.get('type') ?? '';
    card.set('type', 'network');
    card.unset('managed');
    for (const name of OF_THE_OLD_NETWORK) card.removeAll(name);
    if (PASSED_THROUGH.includes(given)) card.removeAll('driver');
    card.children.push(new XmlElement('source', { network }));
  }
}

/**
 * A password of the console must not be kept, and a console that had one must not come back open: an empty password is libvirt's
 * word for one that lets nobody in.
 */
export function lockConsoles(domain: XmlElement): void {
  for (const graphics of domain.at('devices')?.elements('graphics') ?? []) {
    if (graphics.get('passwd') !== undefined) graphics.set('passwd', '');
  }
}

function interfacesOf(domain: XmlElement): readonly XmlElement[] {
  return domain.at('devices')?.elements('interface') ?? [];
}

/** The child of that name, made where there is none. */
function childOf(parent: XmlElement, name: string): XmlElement {
  const found = parent.at(name);
  if (found !== undefined) return found;
  const made = new XmlElement(name);
  parent.children.push(made);
  return made;
}
