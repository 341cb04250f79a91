import { EverthawError } from '../domain/errors.js';
import type { FileKind } from '../domain/fileManifest.js';
import type { IntegrationModule, Patterns } from './module.js';
import { checkPattern } from './patterns.js';

/** What a file-level backup is to be like, as far as it can be told before a volume is mounted. */
export interface FileWish extends Patterns {
  readonly module: IntegrationModule;
  readonly kind: FileKind;
}

/** @throws EverthawError WrongUsage where no VM could be backed up like that */
export function refuseWish({ module, kind, include, exclude }: FileWish): void {
  if (!module.kinds.includes(kind)) throw unknownKind(module, kind);
  for (const pattern of include) checkPattern(pattern, true);
  for (const pattern of exclude) checkPattern(pattern, false);
}

function unknownKind({ name, kinds }: IntegrationModule, kind: FileKind): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: `make a ${kind} backup of files with ${name}`,
    why: `${name} has no such kind: it makes ${kinds.join(', ')} ones`,
    hint: `ask for ${kinds.join(' or ')}, or take another module`,
  });
}
