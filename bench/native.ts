import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { SourceProgram } from '../src/system/sourceProgram.js';

/** Runs a native program as a person at a shell would: not through any code of the product. */
export async function native(program: string, args: readonly string[], stdin = ''): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // Whoever reads nothing may have ended before it is told so.
  child.stdin.on('error', () => undefined).end(stdin);
  const exited = once(child, 'exit');
  const output = await text(child.stdout);
  const [code] = (await exited) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}`);
  return output;
}

/** What curl needs to be let in, out of what we give it; none of our settings for the transfer itself. */
export function accessOf({ stdin = '' }: SourceProgram): string {
  return stdin
    .split('\n')
    .filter((line) => /^(url|cookie|cacert|insecure|pinnedpubkey)\b/.test(line))
    .join('\n');
}
