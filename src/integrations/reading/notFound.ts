import { EverthawError } from '../../domain/errors.js';

/** Of a path in a guest that is not in its backup. */
export function notFound(steps: readonly string[], why: string): EverthawError {
  return new EverthawError({
    code: 'FileNotFound',
    what: `look for /${steps.join('/')} in the backup`,
    why,
    hint: 'everthaw files ls <backup> <directory> lists what is there',
  });
}
