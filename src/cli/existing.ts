import { createInterface } from 'node:readline/promises';
import type { Manifest } from '../domain/manifest.js';
import { printable } from '../domain/printable.js';
import type { RestoreWish } from '../domain/restores.js';
import type { Host } from '../hosts/host.js';
import type { EXISTING } from './restore.js';
import { lookAtTarget, obstacleOf, targetExists } from '../hosts/restoreTarget.js';

/** What is to be done; `obstacle` says what is there, where `keep` lets it stay. */
export type Answer =
  { readonly answer: 'abort' | 'overwrite' } | { readonly answer: 'keep'; readonly obstacle: string };

/**
 * What is to be done with what is there, asked before anything is touched. The run looks again: what comes to be there meanwhile
 * aborts it, unless it may be overwritten.
 *
 * @throws EverthawError RestoreTargetExists where something is there, and it is to abort
 */
export async function answerFor(
  policy: (typeof EXISTING)[number],
  host: Host,
  name: string,
  manifest: Manifest,
  wish: RestoreWish,
  json: boolean,
): Promise<Answer> {
  // A place that is not there is told before all bytes of the backup are read.
  const place = await host.findPlace(wish);
  if (policy === 'overwrite') return { answer: 'overwrite' };
  const isCopy = name !== manifest.vm.name;
  const obstacle = obstacleOf(await lookAtTarget(host, { name, isCopy }, place, wish));
  if (obstacle === undefined) return { answer: 'abort' };
  switch (policy) {
    case 'abort':
      throw targetExists(name, obstacle);
    case 'keep':
      return { answer: 'keep', obstacle };
    case 'prompt': {
      if (!process.stdin.isTTY || !process.stdout.isTTY || json)
        throw targetExists(
          name,
          `${obstacle}, and without a terminal nobody can be asked: prompt means abort`,
        );
      const answer = await ask(
        `${printable(`restore "${name}": ${obstacle}`)}. [o]verwrite, [k]eep, [A]bort? `,
      );
      if (/^o/i.test(answer)) return { answer: 'overwrite' };
      if (/^k/i.test(answer)) return { answer: 'keep', obstacle };
      throw targetExists(name, obstacle);
    }
  }
}

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(question)).trim();
  } finally {
    terminal.close();
  }
}
