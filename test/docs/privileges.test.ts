import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { PRIVILEGE_NEEDS } from '../../src/hosts/vsphere/privileges.js';

const PRIVILEGE = /\b(?:System|VirtualMachine|VApp|Datastore|Resource|Network)\.[A-Za-z.]*[A-Za-z]/g;

it('the privileges that are looked for are those that the documentation names, step by step', async () => {
  const page = await readFile(new URL('../../../docs/privileges.md', import.meta.url), 'utf8');
  const table =
    page
      .split('## libvirt')[0]
      ?.split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2) ?? [];
  const documented = table.map((line) => {
    const [, step = '', , privileges = ''] = line.split('|').map((cell) => cell.trim());
    return [step, (privileges.match(PRIVILEGE) ?? []).toSorted()];
  });
  const looked = new Map<string, readonly string[]>();
  for (const { step, privileges } of PRIVILEGE_NEEDS)
    looked.set(step, [...(looked.get(step) ?? []), ...privileges].toSorted());
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(looked));
});
