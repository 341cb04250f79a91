import { EverthawError } from './errors.js';
import { nearest } from './nearest.js';
import type { VmSummary } from './vm.js';

const ONE = ['name', 'ipaddr', 'uuid', 'moref'] as const;
const KINDS = [...ONE, 'powerstate', 'any', 'none'] as const;
const POWER_STATES = ['on', 'off', 'suspended'] as const satisfies readonly VmSummary['powerState'][];

/**
 * How a user says which VMs are meant (F11). One VM: `name:db1` (case-sensitive), `ipaddr:` with an address or DNS name, `uuid:` with
 * a BIOS uuid, `moref:vm-12`. Many: `powerstate:on`, `any:`, `none:`.
 */
export type VmSpec =
  | { readonly kind: 'ipaddr'; readonly value: string }
  | { readonly kind: 'name' | 'uuid' | 'moref'; readonly value: string }
  | { readonly kind: 'powerstate'; readonly value: VmSummary['powerState'] }
  | { readonly kind: 'any' | 'none'; readonly value: '' };

/** What a word without a kind before it means: VM_LOOKUP_METHOD (F3), a name elsewhere. */
export type LookupMethod = 'name' | 'ipaddr';

/**
 * Reads a VM spec; a text without a kind is what `bare` says. What looks like a kind and is none is refused: the VM of such a name is
 * reached by `name:`.
 *
 * @throws EverthawError WrongUsage
 */
export function parseVmSpec(text: string, bare: LookupMethod = 'name'): VmSpec {
  const [, word, value = ''] = /^([A-Za-z]+):(.*)$/s.exec(text) ?? [];
  if (word === undefined || (bare === 'ipaddr' && isIpv6Start(text))) return oneVm(text, bare, text);
  const kind = KINDS.find((known) => known === word);
  switch (kind) {
    case undefined:
      throw refused(
        text,
        `there is no kind "${word}"`,
        `did you mean ${nearest(word, KINDS) ?? 'name'}:${value}? A VM of that name is name:${text}`,
      );
    case 'any':
    case 'none':
      if (value === '') return { kind, value };
      throw refused(text, `nothing can stand behind ${kind}:`, `write ${kind}:`);
    case 'powerstate': {
      const state = POWER_STATES.find((known) => known === value);
      if (state !== undefined) return { kind, value: state };
      throw refused(text, 'there is no such power state', `write powerstate:${POWER_STATES.join('|')}`);
    }
    case 'name':
    case 'ipaddr':
    case 'uuid':
    case 'moref':
      return oneVm(value, kind, text);
  }
}

export function formatVmSpec({ kind, value }: VmSpec): string {
  return `${kind}:${value}`;
}

/** Whether a spec can name several VMs on purpose. */
export function namesMany({ kind }: VmSpec): boolean {
  return ONE.every((one) => one !== kind);
}

/** A uuid as hosts write it today, of any form in which it is found (`56 4d 12 …-…`, upper case); undefined where it is none. */
export function canonicalUuid(text: string): string | undefined {
  const digits = text.toLowerCase().replace(/[\s{}-]/g, '');
  return /^[0-9a-f]{32}$/.test(digits)
    ? digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    : undefined;
}

function oneVm(given: string, kind: (typeof ONE)[number], text: string): VmSpec {
  // A name may well begin or end with a space; nothing else does.
  const value = kind === 'name' ? given : given.trim();
  if (value === '')
    throw refused(text, 'it names no VM', `write ${ONE.map((one) => `${one}:<value>`).join(', ')}`);
  if (kind !== 'uuid') return { kind, value };
  const uuid = canonicalUuid(value);
  if (uuid !== undefined) return { kind, value: uuid };
  throw refused(text, 'a uuid has 32 hexadecimal digits', 'see the VM’s uuid with everthaw vms any:');
}

function isIpv6Start(text: string): boolean {
  return /^[0-9a-f]{1,4}:[0-9a-f:.]*$/i.test(text);
}

function refused(text: string, why: string, hint: string): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: `read VM spec ${JSON.stringify(text)}`,
    why,
    hint,
  });
}
