import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { noteMissingOptions } from './configJs.js';
import { inOrder, type Problem } from './problem.js';
import { declarationOf } from './settingTable.js';
import { confFile, configJsFile, readConsole, readJs, readSources, readYaml, type Told } from './sources.js';
import type { Written } from './written.js';

export interface Checked {
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  /** What was looked at. */
  readonly looked: readonly string[];
}

/** Checks files each by itself: what is missing in one is missing, whatever the environment says. */
export function checkFiles(files: readonly string[]): Checked {
  const all = files.map((name) => {
    const file = resolve(name);
    if (basename(file).endsWith('.js')) return checkJs(file);
    if (basename(file).endsWith('.conf')) return readConsole(file);
    if (/\.ya?ml$/.test(basename(file))) return readYaml(file);
    const what =
      'is no configuration; allowed: config.js, backuptools.conf, or everthaw.yaml (*.js, *.conf, *.yaml)';
    return { problems: [{ where: file, what }], warnings: [], written: [] };
  });
  return {
    problems: all.flatMap(({ problems, written }) => inOrder([...problems, ...missingPlaces(written)])),
    warnings: all.flatMap(({ warnings }) => warnings),
    looked: files,
  };
}

/** Checks what applies here: environment and files together. */
export function checkSettings(told: Told, env: NodeJS.ProcessEnv = process.env): Checked {
  const { problems, warnings, written, configFile } = readSources(env, told);
  return {
    problems: [...problems, ...missingPlaces(written)],
    warnings,
    looked: [
      'the environment',
      ...(configFile === undefined ? [] : [configFile]),
      ...(told.installPath === undefined ? [] : [configJsFile(told.installPath)]),
      ...(told.isConsole === true ? [confFile(env)] : []),
    ],
  };
}

function checkJs(file: string): ReturnType<typeof readJs> {
  const reading = readJs(file);
  const host = reading.written.find(({ setting }) => setting === 'host');
  noteMissingOptions(reading, file, reading.written, host === undefined ? undefined : String(host.value));
  return reading;
}

/** Directories and files of this machine that must be there, and are not. */
function missingPlaces(written: readonly Written[]): readonly Problem[] {
  const isThere = (path: string, isDirectory: boolean): boolean =>
    statSync(path, { throwIfNoEntry: false })?.isDirectory() === isDirectory;
  return written.flatMap(({ setting, value, from }) => {
    const isDirectory = setting === 'root';
    const needed = isDirectory || ['passwordFile', 'caFile', 'temporalProgram'].includes(setting);
    if (!needed || isThere(String(value), isDirectory)) return [];
    const { what } = declarationOf(setting);
    return [{ where: from, what: `there is no ${isDirectory ? 'directory' : 'file'} "${value}" (${what})` }];
  });
}
