import { createInterface } from 'node:readline/promises';
import type { Output } from './output.js';

/** Asks a person. Without a terminal nobody can agree. */
export async function isAgreed(question: string, output: Output): Promise<boolean> {
  if (!process.stdin.isTTY || output.json) {
    output.say('nobody can be asked here: say -y to let go of it');
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
