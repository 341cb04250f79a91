import { resolve } from 'node:path';
import { EverthawError } from '../domain/errors.js';
import { isScpUrl } from '../domain/scpUrl.js';

/** A directory of this machine, whose files are read where they lie. `what` is wanted with it, for errors. @throws EverthawError WrongUsage */
export function localDirectory(directory: string, what: string): string {
  if (!isScpUrl(directory)) return resolve(directory);
  throw new EverthawError({
    code: 'WrongUsage',
    what: `${what} "${directory}"`,
    why: 'it is on another machine, and files are read on this one only',
    hint: 'fetch it first: scp -r user@host:/path <directory>; what was fetched is checked against its manifest (docs/destinations.md)',
  });
}
