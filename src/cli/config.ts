import type { Command } from 'commander';
import type { Problem } from '../config/problem.js';
import { EXIT, Output } from './output.js';

interface ConfigFlags {
  readonly json: boolean;
  readonly installPath?: string;
  readonly console: boolean;
}

/** Says what is configured, and whether it is right. What reads settings is loaded when it is wanted. */
export function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description('show the settings and where they come from, or check them')
    .addHelpText('after', '\nExample:\n  everthaw config show');
  const wishes = (command: Command): Command =>
    command
      .option('--install-path <directory>', 'with its config/config.js')
      .option('--console', 'with backuptools.conf', false)
      .option('--json', 'one JSON object a line', false);

  wishes(config.command('show').description('each setting, its value, and who says so'))
    .addHelpText('after', '\nExample:\n  everthaw config show --json')
    .action(async (flags: ConfigFlags) => {
      await show(flags, configOf(program));
    });

  wishes(
    config
      .command('check')
      .description('all that is wrong, one problem a line (exit code 2); of files, or of what applies here')
      .argument('[file...]', 'config.js, backuptools.conf or everthaw.yaml, told apart by their names')
      .addHelpText('after', '\nExamples:\n  everthaw config check\n  everthaw config check everthaw.yaml'),
  ).action(async (files: readonly string[], flags: ConfigFlags) => {
    await check(files, flags, configOf(program));
  });
}

function configOf(program: Command): string | undefined {
  return program.opts<{ config?: string }>().config;
}

async function show(flags: ConfigFlags, config: string | undefined): Promise<void> {
  const { showSettings } = await import('../config/showSettings.js');
  const output = new Output(flags.json);
  const { settings, problems, warnings, configFile } = showSettings({
    config,
    installPath: flags.installPath,
    isConsole: flags.console,
  });
  const widest = (key: 'setting' | 'value'): number => Math.max(...settings.map((each) => each[key].length));
  const [names, values] = [widest('setting'), Math.min(widest('value'), 40)];
  output.say(`everthaw.yaml: ${configFile ?? 'there is none'}`);
  for (const { setting, value, from, given } of settings)
    output.result({ setting, value: given, from }, [
      `${setting.padEnd(names)}  ${value.padEnd(values)}  ${from}`,
    ]);
  tell(output, problems, warnings);
}

async function check(
  files: readonly string[],
  flags: ConfigFlags,
  config: string | undefined,
): Promise<void> {
  const { checkFiles, checkSettings } = await import('../config/checkSettings.js');
  const output = new Output(flags.json);
  const { problems, warnings, looked } =
    files.length > 0
      ? checkFiles(files)
      : checkSettings({ config, installPath: flags.installPath, isConsole: flags.console });
  tell(output, problems, warnings);
  if (problems.length === 0)
    output.result({ state: 'fine', looked }, [`nothing is wrong with ${looked.join(', ')}`]);
}

/** Problems are of wrong usage, as they are to every other command. */
function tell(output: Output, problems: readonly Problem[], warnings: readonly string[]): void {
  for (const warning of warnings) output.result({ warning }, [`warning: ${warning}`]);
  for (const { where, what } of problems) output.result({ problem: what, where }, [`${where}: ${what}`]);
  if (problems.length > 0) process.exitCode = EXIT.usage;
}
