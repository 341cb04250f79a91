import fc from 'fast-check';
import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import {
  editDomain,
  emptyDrive,
  lockConsoles,
  renewAddresses,
  renewGeneration,
  setDiskImage,
  setName,
  setNetwork,
  setNvram,
  setUuid,
} from '../../src/hosts/libvirt/xml/domainEdit.js';
import { isBackedUp, refusalOf } from '../../src/hosts/libvirt/inventory/diskRefusal.js';
import { parseDomain } from '../../src/hosts/libvirt/xml/domainXml.js';
import { eraseNotes, writeRestored } from '../../src/hosts/libvirt/xml/metadata.js';
import { unkeptParts } from '../../src/hosts/libvirt/inventory/unkeptParts.js';
import { formatTree, parseTree, type XmlElement } from '../../src/hosts/libvirt/xml/xmlTree.js';
import { HARD_NAMES, MANY_DISKS, UEFI } from './libvirtSamples.js';

/** Reads a document by other means than ours, with all that is in it. */
const READER = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  commentPropName: '#comment',
  cdataPropName: '#cdata',
  parseTagValue: false,
  trimValues: false,
  htmlEntities: true,
});

const UUID = '7b0c7a3e-1111-4222-8333-444444444444';

describe('reading a domain', () => {
  it('tells disks, what lies under them, firmware, agent and TPM', () => {
    const domain = parseDomain(UEFI);
    expect(domain).toMatchObject({
      name: 'web01',
      nvram: '/var/lib/libvirt/qemu/nvram/web01_VARS.fd',
      hasAgentChannel: true,
      hasTpm: true,
      restored: undefined,
    });
    expect(domain.disks.map(({ label, format, sourceType }) => [label, format, sourceType])).toEqual([
      ['virtio0:0', 'qcow2', 'file'],
      ['virtio0:1', 'raw', 'block'],
      ['sata0:0', 'raw', 'file'],
    ]);
    expect(domain.disks[0]?.backing).toEqual([
      { path: '/var/lib/libvirt/images/web01.qcow2', format: 'qcow2' },
      { path: '/var/lib/libvirt/images/debian-12.raw', format: 'raw' },
    ]);
    expect(domain.disks[1]?.path).toBe('/dev/vg0/web01-data');
  });

  it('names disks by bus and place, each differently, and says why some cannot be backed up', () => {
    const { disks } = parseDomain(MANY_DISKS);
    expect(disks.map(({ label }) => label)).toEqual([
      ...['scsi1:4', `scsi1:${2 * 16_384 + 4}`, 'scsi0:2', 'sata0:3', 'usb0:4', 'ide1:0', 'virtio0:26'],
      ...['nvme0:1', 'fdc0:0', 'virtio0:2', 'sata0:5', 'virtio0:3', 'scsi0:9'],
      ...['virtio0:4', 'virtio0:5', 'virtio0:6', 'virtio0:7'],
    ]);
    const refusals = disks.filter(isBackedUp).map((disk) => [disk.target, refusalOf(disk) ?? '']);
    expect(refusals.filter(([, why]) => why !== '')).toEqual([
      ['vdc', expect.stringContaining('rbd')],
      ['vdd', expect.stringContaining('virsh vol-path')],
      ['sdg', expect.stringContaining('device="lun"')],
      ['vde', expect.stringContaining('shared')],
      ['vdf', expect.stringContaining('transient')],
      ['vdg', expect.stringContaining('encrypts')],
    ]);
    expect(refusals.map(([target]) => target)).not.toContain('vdh');
  });

  it('tells what of a VM is in no backup', () => {
    const configurationOf = (xml: string) => ({ name: 'vm', configuration: { xml, disks: [] } });
    expect(unkeptParts(configurationOf(UEFI), false)).toEqual([expect.stringContaining('TPM')]);
    expect(unkeptParts(configurationOf(MANY_DISKS), false)).toEqual([]);
    const direct = `<domain><os><kernel>/boot/vmlinuz</kernel><initrd>/boot/initrd</initrd></os>
      <devices><hostdev mode='subsystem' type='pci'/></devices></domain>`;
    expect(unkeptParts(configurationOf(direct), true)).toEqual([
      expect.stringContaining('/boot/vmlinuz, /boot/initrd'),
      expect.stringContaining('devices of the host'),
      expect.stringContaining('autostart'),
    ]);
  });

  it('reads names with quotes, line ends and other scripts as they are', () => {
    const domain = parseDomain(HARD_NAMES);
    expect(domain.name).toBe(`a "b" 'c' & d\ne 日本`);
    expect(domain.disks[0]?.path).toBe(`/日本/it's "here"\n > there.raw`);
  });

  const NAME = '<name>x</name>';
  const LARGE = 400_000;
  for (const [what, xml] of Object.entries({
    'no text': '',
    'no domain': '<network><name>x</name></network>',
    'a domain without a name': '<domain type="kvm"></domain>',
    'an end that is missing': `<domain>${NAME}`,
    'two domains': `<domain>${NAME}</domain><domain>${NAME}</domain>`,
    'entities that grow': `<!DOCTYPE d [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><domain><name>&b;</name></domain>`,
    'an entity that reads a file': `<!DOCTYPE d [<!ENTITY a SYSTEM "/etc/hostname">]><domain><name>&a;</name></domain>`,
    '10,000 levels': `<domain>${NAME}${'<a>'.repeat(10_000)}${'</a>'.repeat(10_000)}</domain>`,
    'comments without an end': `<domain>${NAME}${'<!--'.repeat(100_000)}</domain>`,
    'ends without a beginning': `<domain>${'</domain><!--'.repeat(40_000)}</domain>`,
    'brackets only': `<domain><name>${'<'.repeat(LARGE)}</name></domain>`,
    'two disks in one place': `<domain>${NAME}<devices>${'<disk><target dev="vda"/></disk>'.repeat(2)}</devices></domain>`,
    'a name that is no property': `<domain>${NAME}<__proto__ a="1"/></domain>`,
    'more than anybody writes': `<domain><name>${'x'.repeat(2_000_000)}</name></domain>`,
  })) {
    it(`refuses ${what} with an error of ours, at once`, () => {
      const startedAt = Date.now();
      expect(() => parseDomain(xml)).toThrow(expect.objectContaining({ code: 'HostFault' }));
      expect(Date.now() - startedAt).toBeLessThan(5_000);
    });
  }

  it('survives whatever text it is given', () => {
    const pieces = [
      '<domain>',
      '</domain>',
      '<name>',
      '</name>',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '"',
      "'",
      '&#0;',
    ];
    const text = fc.array(fc.oneof(fc.constantFrom(...pieces, '<a b=', '/>', '<?x', '?>'), fc.string()));
    fc.assert(
      fc.property(text, (parts) => {
        try {
          parseDomain(parts.join(''));
        } catch (error) {
          expect(error).toMatchObject({ name: 'EverthawError' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('editing a domain', () => {
  for (const [name, xml] of Object.entries({ UEFI, MANY_DISKS, HARD_NAMES })) {
    it(`keeps everything of ${name} that it is not told to change`, () => {
      const kept = formatTree(parseTree(xml, 'domain'));
      expect(READER.parse(kept)).toEqual(READER.parse(xml.replace(/<!-- the end -->\n$/, '')));
    });
  }

  it('keeps any tree of elements, attributes, texts and comments', () => {
    const word = fc.stringMatching(/^[a-z][\w.-]{0,5}$/);
    const value = fc.string({ unit: 'grapheme' }).filter((text) => !/[\p{Cc}\ufffe\uffff]/u.test(text));
    const { element } = fc.letrec<{ element: string; child: string }>((tie) => ({
      child: fc.oneof(
        { depthSize: 'small' },
        value.map(escaped),
        value.map((text) => `<!--${text.replaceAll('-', '')}-->`),
        value.map((text) => `<![CDATA[${text.replaceAll(']', '')}]]>`),
        tie('element'),
      ),
      element: fc
        .tuple(word, fc.dictionary(word, value), fc.array(tie('child'), { maxLength: 4 }))
        .map(([name, attributes, children]) => {
          const written = Object.entries(attributes).map(([key, text]) => ` ${key}='${escaped(text)}'`);
          return `<e-${name}${written.join('')}>${children.join('')}</e-${name}>`;
        }),
    }));
    fc.assert(
      fc.property(element, value, (inner, path) => {
        const xml = `<domain><name>x</name>${inner}<devices><disk><target dev='vda'/></disk></devices></domain>`;
        const edited = editDomain(xml, (domain) => {
          setDiskImage(domain, 'vda', { path, format: 'raw', isDevice: false });
        });
        expect(parseDomain(edited).disks[0]?.path).toBe(path);
        const head = /<devices>.*/s;
        expect(READER.parse(edited.replace(head, '</domain>'))).toEqual(
          READER.parse(xml.replace(head, '</domain>')),
        );
      }),
    );
  });

  it('changes what a restored VM differs in, and nothing else', () => {
    const note = { id: UUID, uuid: UUID, mark: 'Made by\neverthaw-owner:{"a":"<&>"}', directory: '/d/é "x"' };
    const edited = editDomain(UEFI, (domain) => {
      setName(domain, `web01 <"'&>`);
      setUuid(domain, UUID);
      renewGeneration(domain);
      setDiskImage(domain, 'vda', { path: '/r/a.qcow2', format: 'qcow2', isDevice: false });
      setDiskImage(domain, 'vdb', { path: '/r/b.raw', format: 'raw', isDevice: false });
      emptyDrive(domain, 'sda');
      setNvram(domain, '/r/nvram.fd');
      setNetwork(domain, 'isolated');
      renewAddresses(domain, () => [1, 2, 255]);
      lockConsoles(domain);
      eraseNotes(domain);
      writeRestored(domain, note);
    });
    const domain = parseDomain(edited);
    expect(domain).toMatchObject({ name: `web01 <"'&>`, uuid: UUID, nvram: '/r/nvram.fd', restored: note });
    expect(
      domain.disks.map(({ path, format, sourceType, backing }) => [path, format, sourceType, backing]),
    ).toEqual([
      ['/r/a.qcow2', 'qcow2', 'file', []],
      ['/r/b.raw', 'raw', 'file', []],
      [undefined, 'raw', 'file', []],
    ]);
    const tree = parseTree(edited, 'domain');
    expect(tree.at('sysinfo', 'system', 'entry')?.text()).toBe(UUID);
    expect(tree.at('genid')?.text()).toBe('');
    expect(tree.at('os', 'nvram')?.get('template')).toBe('/usr/share/OVMF/OVMF_VARS_4M.ms.fd');
    expect(tree.at('metadata')?.elements().length).toBe(2);
    const card = tree.at('devices', 'interface');
    expect(card?.at('mac')?.get('address')).toBe('52:54:00:01:02:ff');
    expect(card?.elements().map(({ name }) => name)).toEqual(['mac', 'model', 'address', 'source']);
    expect(card?.at('source')?.get('network')).toBe('isolated');
    expect(tree.at('devices', 'graphics')?.get('passwd')).toBe('');
    for (const same of ['memory', 'vcpu', 'features', 'cpu', 'on_poweroff', 'qemu:commandline'])
      expect(formatTree(tree.at(same)!)).toBe(formatTree(parseTree(UEFI, 'domain').at(same)!));
    expect(driverOf(tree)).toBe('unmap');
  });

  it('believes a note only on the domain that it was written for: a clone carries it too', () => {
    const marked = editDomain(MANY_DISKS, (domain) => {
      setUuid(domain, UUID);
      writeRestored(domain, { id: UUID, uuid: UUID, mark: 'ours' });
    });
    expect(parseDomain(marked).restored?.mark).toBe('ours');
    const clone = editDomain(marked, (domain) => {
      setUuid(domain, UUID.replace('7', '8'));
    });
    expect(parseDomain(clone).restored).toBeUndefined();
  });
});

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll("'", '&apos;')
    .replaceAll(']]>', '');
}

function driverOf(tree: XmlElement): string | undefined {
  return tree.at('devices', 'disk', 'driver')?.get('discard');
}
