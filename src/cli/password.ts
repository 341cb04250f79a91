import { readFile, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Settings } from '../config/settings.js';
import { EverthawError, messageOf } from '../domain/errors.js';
import { Secret } from '../hosts/secret.js';
import { EXIT } from './output.js';

const READABLE_BY_OTHERS = 0o044;

/** The password that the settings hold or name a file of; else a person is asked. @throws EverthawError WrongUsage */
export async function passwordFor({ host }: Pick<Settings, 'host'>, whose: string): Promise<Secret> {
  if (host.password !== undefined) return host.password;
  if (host.passwordFile !== undefined) return readPassword(host.passwordFile);
  if (process.stdin.isTTY) return askPassword(`password of ${whose}: `);
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

/** Asks at the terminal, which does not show what is typed. */
async function askPassword(question: string): Promise<Secret> {
  // Where readline would show each letter.
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  const given = new AbortController();
  terminal.once('SIGINT', () => {
    process.stderr.write('\n');
    process.exit(EXIT.interrupted);
  });
  // The end of the input is an answer too, and readline would wait for another for ever.
  terminal.once('close', () => {
    given.abort();
  });
  process.stderr.write(question);
  try {
    return new Secret(await terminal.question('', { signal: given.signal }));
  } catch {
    throw new EverthawError({
      code: 'WrongUsage',
      what: 'log in',
      why: 'no password was typed',
      hint: 'type it, give --password-file, or set EVERTHAW_PASSWORD',
    });
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
