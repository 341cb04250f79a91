import { XmlElement } from './xmlTree.js';

/** Namespace of what is noted on a restored domain, in its definition. libvirt keeps one element of each namespace. */
export const NAMESPACE = 'https://everthaw.dev/libvirt/1';
/** Beginning of every namespace of ours, of whatever version or purpose. */
const NAMESPACES = 'https://everthaw.dev/libvirt/';

/** What is noted on a domain that was restored. */
export interface Restored {
  /** The domain's own id for good: its uuid changes when it takes its original's. */
  readonly id: string;
  /** Uuid of the domain that this was noted on: a clone of it, which copies all metadata, is nobody's restored domain. */
  readonly uuid: string;
  /** While it is not whole: whose it is. */
  readonly mark?: string | undefined;
  /** Directory that was made for its disks alone. */
  readonly directory?: string | undefined;
  /** While it takes another uuid: the domain that it stands in for as long as both are there, and its name to be. */
  readonly becomes?: { readonly instead: string; readonly name: string } | undefined;
}

/** What is noted on this domain; nothing where the note came with a clone. */
export function readRestored(domain: XmlElement, uuid: string): Restored | undefined {
  const ours = domain
    .elements('metadata')
    .flatMap((metadata) => metadata.elements())
    .find((element) => namespaceOf(element) === NAMESPACE);
  if (ours === undefined) return undefined;
  const id = ours.get('id') ?? '';
  if (id === '' || ours.get('uuid') !== uuid) return undefined;
  const prefix = prefixOf(ours);
  const becomes = ours.at(`${prefix}becomes`);
  return {
    id,
    uuid,
    mark: ours.at(`${prefix}mark`)?.text(),
    directory: ours.get('directory'),
    becomes:
      becomes === undefined
        ? undefined
        : { instead: becomes.get('instead') ?? '', name: becomes.get('name') ?? '' },
  };
}

/** Replaces what was noted. */
export function writeRestored(domain: XmlElement, restored: Restored): void {
  erase(domain, (namespace) => namespace === NAMESPACE);
  const { id, uuid, mark, directory, becomes } = restored;
  const ours = new XmlElement('everthaw:vm', {
    'xmlns:everthaw': NAMESPACE,
    id,
    uuid,
    ...(directory === undefined ? {} : { directory }),
  });
  if (mark !== undefined) ours.children.push(new XmlElement('everthaw:mark', {}, mark));
  if (becomes !== undefined) ours.children.push(new XmlElement('everthaw:becomes', { ...becomes }));
  metadataOf(domain).children.push(ours);
}

/** Removes everything that we noted, for whatever purpose: what was noted on one domain means nothing on another. */
export function eraseNotes(domain: XmlElement): void {
  erase(domain, (namespace) => namespace.startsWith(NAMESPACES));
}

function erase(domain: XmlElement, isMeant: (namespace: string) => boolean): void {
  for (const metadata of domain.elements('metadata')) {
    for (const element of metadata.elements()) if (isMeant(namespaceOf(element))) metadata.remove(element);
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

function namespaceOf(element: XmlElement): string {
  const prefix = prefixOf(element);
  return element.get(prefix === '' ? 'xmlns' : `xmlns:${prefix.slice(0, -1)}`) ?? '';
}

/** With its colon, as libvirt wrote it; '' where the namespace is the default one. */
function prefixOf(element: XmlElement): string {
  return /^.*:/.exec(element.name)?.[0] ?? '';
}
