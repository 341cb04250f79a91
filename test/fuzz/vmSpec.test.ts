import { describe, expect } from 'vitest';
import { formatVmSpec, parseVmSpec } from '../../src/domain/vmSpec.js';
import { anyText, mutated, vmNames } from './generators.js';
import { clearly, fuzz } from './fuzz.js';

const UUID = '564d1234-5678-9abc-def0-0123456789ab';
const SPECS = [
  'name:db1',
  'ipaddr:10.0.0.7',
  'ipaddr:fe80::1%eth0',
  `uuid:${UUID}`,
  'moref:vm-12',
  'powerstate:on',
  'any:',
  'none:',
];

describe('a VM spec', () => {
  fuzz(
    'means one thing, or is refused in one line',
    mutated(...SPECS),
    (text) => {
      for (const bare of ['name', 'ipaddr'] as const) {
        const spec = clearly(() => parseVmSpec(text, bare), 'read VM spec');
        if (spec !== undefined) expect(parseVmSpec(formatVmSpec(spec))).toEqual(spec);
      }
    },
    300,
  );

  fuzz('of any text means one thing, or is refused', anyText, (text) => {
    clearly(() => parseVmSpec(text), 'read VM spec');
  });

  fuzz('reaches a VM of any name', vmNames, (name) => {
    expect(parseVmSpec(`name:${name}`)).toEqual({ kind: 'name', value: name });
  });
});
