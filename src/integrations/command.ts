import { EverthawError } from '../domain/errors.js';
import type { IntegrationModule } from './module.js';
import { endOfModule, moduleFailed } from './moduleProgram.js';

/** Words with `{path}`, `{vm}` and `{kind}` in them, the first of which is the program. No shell reads them. */
export function command(words: readonly string[]): IntegrationModule {
  const [program = '', ...args] = words;
  return {
    name: 'command',
    kinds: ['full', 'differential', 'incremental'],
    place: program,
    chains: false,
    check: ({ include, exclude }) => {
      if (program === '') throw refused('no program is named', 'name one: its words, the first the program');
      if (include.length + exclude.length > 0)
        throw refused(
          'what is included and excluded is for modules that know what it means',
          'let the program choose, or take tar, restic or rclone',
        );
      return Promise.resolve();
    },
    move: async ({ vmName, kind, path, selections }, signal, tell) => {
      const meant: Readonly<Record<string, string>> = { path, vm: vmName, kind };
      const filled = args.map((word) =>
        word.replace(/\{(path|vm|kind)\}/g, (_, name: string) => meant[name] ?? ''),
      );
      tell({ what: program, bytes: 0 });
      const what = `back up "${vmName}" with ${program}`;
      const { exit, lastLines } = await endOfModule({ program, args: filled, what, asIs: true }, signal);
      if (exit !== 0) throw moduleFailed({ program, what }, exit, lastLines);
      return { kept: selections.map(() => ({})), files: [], notKept: [], lastLines };
    },
  };
}

function refused(why: string, hint: string): EverthawError {
  return new EverthawError({ code: 'WrongUsage', what: 'back up files with a command', why, hint });
}
