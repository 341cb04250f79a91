import { EverthawError } from './errors.js';

const KINDS = ['name', 'ipaddr', 'uuid', 'moref'] as const;

/** How a user says which VM is meant (F11): `name:db1`, `ipaddr:db1.example.com`, `uuid:…`, `moref:vm-12`. */
export interface VmSpec {
  readonly kind: (typeof KINDS)[number];
  readonly value: string;
}

/** Reads a VM spec; a text without a known kind before its colon is of the usual one (VM_LOOKUP_METHOD). */
export function parseVmSpec(text: string, usual: 'name' | 'ipaddr' = 'name'): VmSpec {
  const colon = text.indexOf(':');
  const kind = KINDS.find((known) => known === text.slice(0, Math.max(colon, 0)));
  const value = kind === undefined ? text : text.slice(colon + 1);
  if (value.trim() === '') {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `read VM spec ${JSON.stringify(text)}`,
      why: 'it names no VM',
      hint: `write ${KINDS.map((known) => `${known}:<value>`).join(', ')}`,
    });
  }
  return { kind: kind ?? usual, value };
}

export function formatVmSpec(spec: VmSpec): string {
  return `${spec.kind}:${spec.value}`;
}
