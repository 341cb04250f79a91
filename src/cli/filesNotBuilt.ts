import { EverthawError } from '../domain/errors.js';

/** What a command says that is asked for files instead of images. */
export function filesNotBuilt(vmText: string, hint: string): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: `mount the files of "${vmText}"`,
    why: 'file-level backup is not built yet',
    hint,
  });
}
