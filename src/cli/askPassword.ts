import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { EverthawError } from '../domain/errors.js';
import { Secret } from '../hosts/secret.js';
import { EXIT } from './output.js';

/** Asks at the terminal, which does not show what is typed. */
export async function askPassword(question: string): Promise<Secret> {
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
