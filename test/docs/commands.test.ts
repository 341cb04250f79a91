import { describe, expect, it } from 'vitest';
import type { Command } from 'commander';
import { programs } from '../../src/cli/programs.js';
import { run } from '../lab/run.js';

describe('docs/commands.md', () => {
  it('says what the commands say of themselves', async () => {
    expect(await run(process.execPath, ['scripts/commands.mjs', '--check'])).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  it.each(programs().flatMap(withCommands))('has an example of %s', (_name, command) => {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    expect(help).toMatch(/\nExamples?:\n {2}\S/);
  });
});

function withCommands(command: Command): (readonly [string, Command])[] {
  const below = command.createHelp().visibleCommands(command);
  return [
    [command.name(), command] as const,
    ...below.filter((each) => each.name() !== 'help').flatMap(withCommands),
  ];
}
