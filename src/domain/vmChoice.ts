import { EverthawError } from './errors.js';
import type { VmSummary } from './vm.js';
import { parseVmSpec, type VmSpec } from './vmSpec.js';

/** Which VMs a job means (F8): a spec, all of a folder and below it, or all whose name matches. */
export type VmChoice =
  | { readonly by: 'spec'; readonly spec: VmSpec }
  | { readonly by: 'folder'; readonly path: string }
  | { readonly by: 'pattern'; readonly pattern: string };

export const VM_CHOICE_FORMS = 'a VM spec (name:db1, any:, powerstate:on …), folder:/DC/vm/web, pattern:db-*';

/**
 * Reads one. In a pattern `*` stands for any characters and `?` for one; every other character stands for itself, and upper case is not
 * lower case.
 *
 * @throws EverthawError WrongUsage
 */
export function parseVmChoice(text: string): VmChoice {
  const [, by, value = ''] = /^(folder|pattern):(.*)$/s.exec(text) ?? [];
  if (by === undefined) return { by: 'spec', spec: parseVmSpec(text) };
  if (value === '' || (by === 'folder' && !value.startsWith('/')))
    throw new EverthawError({
      code: 'WrongUsage',
      what: `choose VMs by ${JSON.stringify(text)}`,
      why: by === 'folder' ? 'a folder’s path begins with /' : 'it has no pattern',
      hint: by === 'folder' ? 'see the paths with everthaw places folders' : 'write pattern:db-*',
    });
  return by === 'folder' ? { by, path: value.replace(/\/+$/, '') } : { by: 'pattern', pattern: value };
}

/** Whether a VM, with its folder's path, lies in the folder or has such a name. */
export function matches(choice: Exclude<VmChoice, { by: 'spec' }>, vm: VmSummary): boolean {
  if (choice.by === 'pattern') return regexOf(choice.pattern).test(vm.name);
  const { folderPath } = vm;
  return folderPath === choice.path || (folderPath?.startsWith(`${choice.path}/`) ?? false);
}

function regexOf(pattern: string): RegExp {
  const source = pattern.replace(/./gsu, (character) =>
    character === '*'
      ? '.*'
      : character === '?'
        ? '.'
        : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return new RegExp(`^${source}$`, 'su');
}
