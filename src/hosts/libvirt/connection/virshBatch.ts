import { randomUUID } from 'node:crypto';
import type { Virsh } from './virsh.js';

/**
 * Asks several virsh commands at once. What a command that failed would have printed is
 * undefined. Only for words that need no quoting: options, uuids, targets of disks.
 */
export async function virshBatch(
  virsh: Virsh,
  what: string,
  commands: readonly (readonly string[])[],
): Promise<readonly (string | undefined)[]> {
  if (commands.length === 0) return [];
  // Nobody can have put it into the name or the notes of a VM.
  const border = randomUUID();
  const script = [...commands.map((words) => words.map(plain).join(' ')), '']
    .join(`; echo ${border}; `)
    .replace(/; $/, '');
  const { output } = await virsh.ask(what, script);
  const parts = output.split(border).slice(0, commands.length);
  return parts.map((part) => (part.trim() === '' ? undefined : part));
}

function plain(word: string): string {
  if (/^[\w.:=-]+$/.test(word)) return word;
  throw new Error(`not a plain word for virsh: ${JSON.stringify(word)}`);
}
