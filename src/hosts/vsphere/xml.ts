import XMLBuilder from 'fast-xml-builder';
import { XMLParser } from 'fast-xml-parser';
import { EverthawError, messageOf } from '../../domain/errors.js';

/**
 * vim25 documents as plain objects: elements are keys, repeated elements arrays, attributes keys with `@`, text beside
 * attributes `#text`. The same form is read and written, so that what came from the host can be sent back.
 */
export type Xml = string | XmlElement;
export interface XmlElement {
  readonly [name: string]: XmlInput;
}
export type XmlInput = Xml | number | boolean | undefined | readonly XmlInput[];

const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  // Everything stays text: "007" is a name, and a 64-bit size is read where its meaning is known.
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  // vcsim escapes line ends in texts as numeric entities.
  htmlEntities: true,
  // Prefixes stay: without them `xsi:type` and `type` of a reference would be one attribute.
  removeNSPrefix: false,
  // No option of ours asks for an element's path: it is not to be written for each.
  jPath: false,
});

const builder = new XMLBuilder({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  suppressEmptyNode: false,
});

/** @throws EverthawError HostFault where it is no XML, or tells of entities of its own that grow */
export function parseXml(text: string): XmlElement {
  try {
    return parser.parse(text) as XmlElement;
  } catch (error) {
    throw new EverthawError({
      code: 'HostFault',
      what: 'read the host’s answer',
      why: messageOf(error),
      hint: 'see that a vCenter Server or ESX host answers at this address and port',
      retry: 'again',
      cause: error,
    });
  }
}

/** A call's envelope; the order of `body`'s keys is the schema's order of elements. */
export function buildEnvelope(method: string, body: XmlElement): string {
  const text = builder.build({
    'soapenv:Envelope': {
      '@xmlns:soapenv': 'http://schemas.xmlsoap.org/soap/envelope/',
      '@xmlns:xsd': 'http://www.w3.org/2001/XMLSchema',
      '@xmlns:xsi': XSI,
      'soapenv:Body': { [method]: { '@xmlns': 'urn:vim25', ...body } },
    },
  });
  // As it is, a reader takes it for a line end of another form.
  return text.replaceAll('\r', '&#13;');
}

/** An object of a type that the schema's element does not fix. */
export function typed(type: string, fields: Record<string, XmlInput>): XmlElement {
  return { '@xsi:type': type, ...fields };
}

export function element(node: XmlInput | undefined): XmlElement | undefined {
  return typeof node === 'object' && !Array.isArray(node) ? (node as XmlElement) : undefined;
}

/** The child at a path of names, the first where there are several. */
export function child(node: XmlInput | undefined, ...path: readonly string[]): XmlInput | undefined {
  let at: XmlInput | undefined = node;
  for (const name of path) {
    const next: XmlInput | undefined = element(at)?.[name];
    at = Array.isArray(next) ? (next as readonly XmlInput[])[0] : next;
  }
  return at;
}

/** All children of a name: one element, several or none come out as a list. */
export function children(node: XmlInput | undefined, name: string): readonly XmlInput[] {
  const found = element(node)?.[name];
  if (found === undefined) return [];
  return Array.isArray(found) ? (found as readonly XmlInput[]) : [found];
}

/** The text at a path, or '' where there is none. */
export function text(node: XmlInput | undefined, ...path: readonly string[]): string {
  const found = child(node, ...path);
  if (found === undefined) return '';
  const content = typeof found === 'object' ? element(found)?.['#text'] : found;
  return typeof content === 'string' ? content : '';
}

/** The schema type of a node: `VirtualDisk`. Servers differ in the prefix of the attribute and of its value. */
export function typeOf(node: XmlInput | undefined): string {
  const attribute = Object.entries(element(node) ?? {}).find(
    ([name]) => name.startsWith('@') && name.endsWith(':type'),
  );
  const value = attribute?.[1];
  return typeof value === 'string' ? value.replace(/^.*:/, '') : '';
}

/** A reference to a managed object. */
export interface Ref {
  readonly type: string;
  readonly value: string;
}

export function ref(type: string, value: string): Ref {
  return { type, value };
}

export function refXml(reference: Ref): XmlElement {
  return { '@type': reference.type, '#text': reference.value };
}

export function readRef(node: XmlInput | undefined): Ref | undefined {
  const type = element(node)?.['@type'];
  const value = text(node);
  return typeof type === 'string' && value !== '' ? { type, value } : undefined;
}
