import { Argument, type Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `everthaw completion`, and the command by which what it prints asks for words. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print what makes a shell complete commands, flags and their values, of every program')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  eval "$(everthaw completion bash)"       # in ~/.bashrc',
        '  eval "$(everthaw completion zsh)"        # in ~/.zshrc, behind compinit',
        '  everthaw completion fish | source        # in ~/.config/fish/config.fish',
      ].join('\n'),
    )
    .action(async (shell: (typeof SHELLS)[number]) => {
      const { scriptFor } = await import('./scripts.js');
      process.stdout.write(scriptFor(shell));
    });

  program
    .command('complete-words', { hidden: true })
    .argument('<program>')
    .argument('[words...]')
    .action(async (name: string, words: readonly string[]) => {
      const { offersFor } = await import('./offers.js');
      const { offers, paths } = offersFor(name, words);
      const lines = [paths ?? 'words', ...offers.map(({ word, what }) => `${word}\t${what}`)];
      process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    });
}
