import { EverthawError } from '../domain/errors.js';
import { MANIFEST_FILE } from '../domain/manifest.js';
import { formatProtection, PROTECTED_FILE, type Protection } from './protection.js';
import type { StoredPlace } from './storedPlace.js';

/** Marks a restore point as one that is never forgotten; a mark that is there is replaced. @throws EverthawError */
export async function protectPoint(
  { directory, path, scripts }: StoredPlace,
  protection: Protection,
): Promise<void> {
  const what = `protect the backup in "${directory}"`;
  const said = await scripts.run(what, PROTECT, [path], Buffer.from(formatProtection(protection)));
  if (said.startsWith('gone')) throw notThere(what);
}

/** Takes the mark away. @returns whether there was one @throws EverthawError */
export async function unprotectPoint({ directory, path, scripts }: StoredPlace): Promise<boolean> {
  const what = `no longer protect the backup in "${directory}"`;
  const said = await scripts.run(what, UNPROTECT, [path]);
  if (said.startsWith('gone')) throw notThere(what);
  return said.startsWith('taken');
}

function notThere(what: string): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what,
    why: 'there is none',
    hint: 'name the directory of a backup: everthaw list tells them',
  });
}

/*
 * The scripts. "$1" and so on are quoted by who runs them, and never part of a script's text.
 */

const PROTECT = `
[ -f "$1/${MANIFEST_FILE}" ] || { echo gone; exit; }
rm -f -- "$1/${PROTECTED_FILE}".attempt-*
cat > "$1/${PROTECTED_FILE}.attempt-$$"
sync -- "$1/${PROTECTED_FILE}.attempt-$$"
mv -f -T -- "$1/${PROTECTED_FILE}.attempt-$$" "$1/${PROTECTED_FILE}"
sync -- "$1"`;

const UNPROTECT = `
[ -f "$1/${MANIFEST_FILE}" ] || { echo gone; exit; }
[ -e "$1/${PROTECTED_FILE}" ] || [ -L "$1/${PROTECTED_FILE}" ] || { echo none; exit; }
rm -f -- "$1/${PROTECTED_FILE}"
sync -- "$1"
echo taken`;
