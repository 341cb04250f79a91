import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDomain, setDiskImage, setName } from '../../src/hosts/libvirt/xml/domainEdit.js';
import { parseDomain } from '../../src/hosts/libvirt/xml/domainXml.js';
import { formatTree, parseTree } from '../../src/hosts/libvirt/xml/xmlTree.js';
import { HARD_NAMES, MANY_DISKS, UEFI } from '../hosts/libvirtSamples.js';
import { anyText, mutated, vmNames } from './generators.js';
import { clearly, fuzz } from './fuzz.js';

const LABEL = /^[a-z]{1,16}\d{1,9}:\d{1,9}$/;

describe('a domain’s XML', () => {
  fuzz(
    'is understood, or refused in one line',
    mutated(UEFI, MANY_DISKS, HARD_NAMES),
    (xml) => {
      const domain = clearly(() => parseDomain(xml), 'read the XML of ');
      if (domain === undefined) return;
      for (const { label } of domain.disks) expect(label).toMatch(LABEL);
      const edited = clearly(() => editDomain(xml, () => undefined), 'read the XML of ');
      expect(parseDomain(edited ?? '')).toEqual(domain);
      // Whoever edits what was edited finds it as it was.
      expect(formatTree(parseTree(edited ?? '', 'domain'))).toBe(edited);
    },
    300,
  );

  it.each([97, 98, 99, 100, 101, 150])('nested %i deep is written as it was read, or refused', (deep) => {
    const xml = `<domain><name>x</name><uuid>11111111-2222-4333-8444-555555555555</uuid>${'<a>'.repeat(deep)}${'</a>'.repeat(deep)}</domain>`;
    const edited = clearly(() => editDomain(xml, () => undefined), 'read the XML of ');
    if (edited !== undefined) expect(formatTree(parseTree(edited, 'domain'))).toBe(edited);
  });

  fuzz('of any text is understood or refused', anyText, (text) => {
    for (const xml of [
      text,
      `<domain><name>${text}</name></domain>`,
      `<domain><name>x</name>${text}</domain>`,
    ])
      clearly(() => parseDomain(xml), 'read the XML of ');
  });

  fuzz('takes any name and path as one text', fc.tuple(vmNames, vmNames), ([name, path]) => {
    const edited = clearly(
      () =>
        editDomain(UEFI, (domain) => {
          setName(domain, name);
          setDiskImage(domain, 'vda', { path, format: 'raw', isDevice: false });
        }),
      'a character that XML cannot say',
    );
    if (edited === undefined) return;
    const domain = parseDomain(edited);
    expect(domain).toMatchObject({ name, uuid: parseDomain(UEFI).uuid });
    expect(domain.disks[0]?.path).toBe(path);
    expect(domain.disks.slice(1)).toEqual(parseDomain(UEFI).disks.slice(1));
  });

  it.each(['constructor', 'toString', 'valueOf', '__proto__', 'hasOwnProperty'])(
    'knows no entity &%s;',
    (entity) => {
      expect(parseDomain(`<domain><name>&${entity};</name></domain>`).name).toBe(`&${entity};`);
    },
  );
});
