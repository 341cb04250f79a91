import XMLBuilder from 'fast-xml-builder';
import { XMLParser } from 'fast-xml-parser';
import { EverthawError, messageOf } from '../../../domain/errors.js';

/**
 * A document that keeps what we do not know: order, comments, and every text as it was written. Texts are kept undecoded, so that
 * what is not touched comes out as it came in.
 */
export class XmlElement {
  readonly name: string;
  readonly children: XmlChild[];
  readonly #attributes: Map<string, string>;

  constructor(name: string, attributes: Readonly<Record<string, string>> = {}, text?: string) {
    this.name = name;
    this.children = text === undefined ? [] : [{ kind: 'text', raw: encode(text) }];
    this.#attributes = new Map();
    for (const [key, value] of Object.entries(attributes)) this.set(key, value);
  }

  get(attribute: string): string | undefined {
    const raw = this.#attributes.get(attribute);
    return raw === undefined ? undefined : decode(raw.replace(/[\n\t]/g, ' '));
  }

  set(attribute: string, value: string): void {
    // A line end within an attribute would be read as a space.
    this.#attributes.set(
      attribute,
      encode(value).replace(/[\n\t]/g, (character) => `&#${character.charCodeAt(0)};`),
    );
  }

  unset(attribute: string): void {
    this.#attributes.delete(attribute);
  }

  /** Attribute names with their values as they were written. */
  rawAttributes(): ReadonlyMap<string, string> {
    return this.#attributes;
  }

  setRaw(attribute: string, raw: string): void {
    this.#attributes.set(attribute, raw);
  }

  /** Child elements, of that name if one is given. */
  elements(name?: string): readonly XmlElement[] {
    return this.children.filter(
      (child): child is XmlElement =>
        child instanceof XmlElement && (name === undefined || child.name === name),
    );
  }

  /** The first element at a path of names. */
  at(...path: readonly string[]): XmlElement | undefined {
    return path.reduce<XmlElement | undefined>((found, name) => found?.elements(name)[0], this);
  }

  /** The element's own text without the white space around it; '' where it has none. */
  text(): string {
    return this.wholeText().trim();
  }

  /** With the white space around it, which is part of a name. */
  wholeText(): string {
    return this.children
      .map((child) => {
        if (child instanceof XmlElement || child.kind === 'comment') return '';
        return child.kind === 'cdata' ? child.raw : decode(child.raw);
      })
      .join('');
  }

  setText(text: string): void {
    this.children.splice(0, this.children.length, { kind: 'text', raw: encode(text) });
  }

  remove(child: XmlElement): void {
    const at = this.children.indexOf(child);
    if (at >= 0) this.children.splice(at, 1);
  }

  removeAll(name: string): void {
    for (const child of this.elements(name)) this.remove(child);
  }
}

export type XmlChild = XmlElement | { readonly kind: 'text' | 'cdata' | 'comment'; readonly raw: string };

/** What libvirt takes as a message at most is 32 MiB; a definition is thousands of bytes. */
const LONGEST = 1024 * 1024;
const DEEPEST = 100;

const TEXT = '#text';
const CDATA = '#cdata';
const COMMENT = '#comment';
const ATTRIBUTES = ':@';

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  textNodeName: TEXT,
  cdataPropName: CDATA,
  commentPropName: COMMENT,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: false,
  maxNestedTags: DEEPEST,
});

const builder = new XMLBuilder({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  textNodeName: TEXT,
  cdataPropName: CDATA,
  commentPropName: COMMENT,
  processEntities: false,
  suppressEmptyNode: true,
  // It counts otherwise than the parser: what that has read can be written.
  maxNestedTags: 2 * DEEPEST,
});

/** @throws EverthawError HostFault where the text is no document with that root, or one that no hypervisor writes. */
export function parseTree(xml: string, root: string): XmlElement {
  const refuse = (why: string, cause?: unknown): EverthawError =>
    new EverthawError({
      code: 'HostFault',
      what: `read the XML of a ${root}`,
      why,
      hint: 'see what virsh dumpxml prints, and that nobody edited the text by hand',
      cause,
    });
  if (xml.length > LONGEST) throw refuse(`it is ${xml.length} characters long, ${LONGEST} are believed`);
  // No hypervisor writes one, and its entities are only good for making a small text large.
  if (/<!(DOCTYPE|ENTITY)/i.test(xml)) throw refuse('it has a document type of its own');
  const end = xml.lastIndexOf(`</${root}`);
  if (end < 0 || !/^<\/\w+\s*>\s*(?:<!--(?:(?!-->)[^])*-->\s*)*$/.test(xml.slice(end)))
    throw refuse(`it does not end with </${root}>`);
  let nodes: readonly XmlChild[];
  try {
    nodes = childrenOf(parser.parse(xml));
  } catch (error) {
    throw refuse(messageOf(error), error);
  }
  const [found, ...others] = nodes.filter((node) => node instanceof XmlElement);
  if (found?.name !== root || others.length > 0) throw refuse(`its root is not <${root}> alone`);
  return found;
}

export function formatTree(root: XmlElement): string {
  return `${builder.build([orderedOf(root)])}\n`;
}

function childrenOf(nodes: unknown): XmlChild[] {
  if (!Array.isArray(nodes)) return [];
  return nodes.flatMap((node: Readonly<Record<string, unknown>>): XmlChild[] => {
    const name = Object.keys(node).find((key) => key !== ATTRIBUTES);
    if (name === undefined || name.startsWith('?')) return [];
    const content = node[name];
    if (name === TEXT) return [{ kind: 'text', raw: String(content) }];
    if (name === CDATA || name === COMMENT)
      return [{ kind: name === CDATA ? 'cdata' : 'comment', raw: textOf(content) }];
    const element = new XmlElement(checkedName(name));
    for (const [key, raw] of Object.entries(node[ATTRIBUTES] ?? {}))
      element.setRaw(checkedName(key.slice(1)), String(raw).replaceAll('"', '&quot;'));
    for (const child of childrenOf(content)) element.children.push(child);
    return [element];
  });
}

/** The parser lets more pass than XML, and than could be read again once it is written. */
function checkedName(name: string): string {
  if (/^[\p{L}_][\p{L}\p{N}_.:-]*$/u.test(name)) return name;
  throw new Error(`no element or attribute has the name ${JSON.stringify(name)}`);
}

function textOf(content: unknown): string {
  const [first] = content as readonly Readonly<Record<string, unknown>>[];
  const text = first?.[TEXT];
  return typeof text === 'string' ? text : '';
}

function orderedOf(child: XmlChild): Record<string, unknown> {
  if (child instanceof XmlElement) {
    const attributes: Record<string, string> = {};
    for (const [key, raw] of child.rawAttributes()) attributes[`@${key}`] = raw;
    return { [child.name]: child.children.map(orderedOf), [ATTRIBUTES]: attributes };
  }
  if (child.kind === 'text') return { [TEXT]: child.raw };
  return { [child.kind === 'cdata' ? CDATA : COMMENT]: [{ [TEXT]: child.raw }] };
}

const NAMED = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);
const CODES: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&quot;',
  "'": '&apos;',
};

function decode(raw: string): string {
  return raw.replace(
    /&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]+));/gi,
    (whole: string, hex?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return NAMED.get(name) ?? whole;
      const code = hex === undefined ? Number(decimal) : parseInt(hex, 16);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

function encode(text: string): string {
  if (/[\p{Cc}\ufffe\uffff]/u.test(text.replace(/[\t\n\r\x7f-\x9f]/g, ''))) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `write ${JSON.stringify(text)} into XML`,
      why: 'it has a character that XML cannot say',
      hint: 'choose a name without control characters',
    });
  }
  return text.replace(/[<>&"']/g, (character) => CODES[character] ?? '').replace(/\r/g, '&#13;');
}
