import { XmlElement } from './xmlTree.js';

/** Namespace of what we note in a domain's definition. libvirt keeps one element of each namespace. */
export const NAMESPACE = 'https://everthaw.dev/libvirt/1';

/** What a restored domain bears: its own id for good, and while it is not whole the mark of whose it is. */
export interface Restored {
  readonly restoredId: string;
  readonly mark: string | undefined;
}

export function readRestored(domain: XmlElement): Partial<Restored> {
  const ours = oursOf(domain);
  if (ours === undefined) return {};
  const { element, prefix } = ours;
  const mark = element.at(`${prefix}mark`)?.text() ?? '';
  const restoredId = element.at(`${prefix}restoredId`)?.text() ?? '';
  return {
    ...(mark === '' ? {} : { mark }),
    ...(restoredId === '' ? {} : { restoredId }),
  };
}

/** Replaces what we noted by `restored`. */
export function writeRestored(domain: XmlElement, restored: Restored): void {
  eraseOurs(domain);
  const ours = new XmlElement('everthaw:vm', { 'xmlns:everthaw': NAMESPACE });
  ours.children.push(new XmlElement('everthaw:restoredId', {}, restored.restoredId));
  if (restored.mark !== undefined) ours.children.push(new XmlElement('everthaw:mark', {}, restored.mark));
  metadataOf(domain).children.push(ours);
}

/** Removes whatever we noted in any version's namespace: a backup's notes mean nothing for another domain. */
export function eraseOurs(domain: XmlElement): void {
  for (const metadata of domain.elements('metadata')) {
    for (const element of metadata.elements())
      if (namespaceOf(element)?.startsWith('https://everthaw.dev/libvirt/')) metadata.remove(element);
    if (metadata.elements().length === 0) domain.remove(metadata);
  }
}

function metadataOf(domain: XmlElement): XmlElement {
  const found = domain.at('metadata');
  if (found !== undefined) return found;
  const metadata = new XmlElement('metadata');
  domain.children.push(metadata);
  return metadata;
}

function oursOf(domain: XmlElement): { element: XmlElement; prefix: string } | undefined {
  for (const metadata of domain.elements('metadata')) {
    const element = metadata.elements().find((candidate) => namespaceOf(candidate) === NAMESPACE);
    if (element !== undefined) return { element, prefix: prefixOf(element) };
  }
  return undefined;
}

function namespaceOf(element: XmlElement): string | undefined {
  const prefix = prefixOf(element);
  return element.get(prefix === '' ? 'xmlns' : `xmlns:${prefix.slice(0, -1)}`);
}

/** With its colon, as libvirt wrote it; '' where the namespace is the default one. */
function prefixOf(element: XmlElement): string {
  return /^.*:/.exec(element.name)?.[0] ?? '';
}
