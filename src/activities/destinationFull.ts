import { unwritable } from '../disks/writeFault.js';

/** Says of an error of the file system that the destination is full, where that is what it means. */
export function fullOr(error: unknown, directory: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' ? unwritable(directory, code, message) : error;
}
