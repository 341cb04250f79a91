import { readFile, stat } from 'node:fs/promises';
import type { Settings } from '../config/settings.js';
import { EverthawError, messageOf } from '../domain/errors.js';
import { Secret } from '../hosts/secret.js';

const READABLE_BY_OTHERS = 0o044;

/** Asks a person, where there is one. */
export type AskPassword = (question: string) => Promise<Secret>;

/** The password that the settings hold or name a file of; else a person is asked. @throws EverthawError WrongUsage */
export async function passwordFor(
  { host }: Pick<Settings, 'host'>,
  whose: string,
  ask?: AskPassword,
): Promise<Secret> {
  if (host.password !== undefined) return host.password;
  if (host.passwordFile !== undefined) return readPassword(host.passwordFile);
  if (ask !== undefined) return ask(`password of ${whose}: `);
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'log in',
    why: 'the password is not given, and there is no terminal to ask at',
    hint: 'give --password-file, or set EVERTHAW_PASSWORD',
  });
}

async function readPassword(file: string): Promise<Secret> {
  try {
    const { mode } = await stat(file);
    if ((mode & READABLE_BY_OTHERS) !== 0)
      console.error(`warning: the password in "${file}" can be read by others: chmod go-r it`);
    return new Secret((await readFile(file, 'utf8')).replace(/\r?\n$/, ''));
  } catch (error) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `read the password from "${file}"`,
      why: error instanceof Error && 'code' in error ? String(error.code) : messageOf(error),
      hint: 'name a file that this user can read',
    });
  }
}
