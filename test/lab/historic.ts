import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from './lab.js';
import { run, type Ran } from './run.js';

type Program = 'vcbCleanup' | 'vcbMounter' | 'preCommand' | 'postCommand';

/** Runs a program of a historic name. pre-command and post-command know of the host by their install path alone. */
export function historic(lab: Lab, program: Program, ...args: readonly string[]): Promise<Ran> {
  return historicWith(lab, {}, program, ...args);
}

export function historicWith(
  lab: Lab,
  environment: NodeJS.ProcessEnv,
  program: Program,
  ...args: readonly string[]
): Promise<Ran> {
  const file = fileURLToPath(new URL(`../../src/cli/${program}.js`, import.meta.url));
  const byInstallPath = program === 'preCommand' || program === 'postCommand';
  const usual = byInstallPath ? hostless(lab) : lab.everthaw.environment;
  return run(process.execPath, [file, ...args], { env: { ...usual, ...environment }, mayFail: true });
}

/** An install path with a config.js that says all that the environment says elsewhere, save the CA, for which it has no word. */
export async function installed(lab: Lab, ...lines: readonly string[]): Promise<string> {
  const environment = lab.everthaw.environment;
  const said = {
    BACKUPROOT: lab.everthaw.backups,
    HOST: environment['EVERTHAW_HOST'],
    PORT: environment['EVERTHAW_PORT'],
    USERNAME: environment['EVERTHAW_USERNAME'],
    PASSWORD: environment['EVERTHAW_PASSWORD'],
    VM_LOOKUP_METHOD: 'name',
  };
  const installPath = await mkdtemp(join(lab.everthaw.directory, 'vcb-'));
  await mkdir(join(installPath, 'config'));
  await writeFile(
    join(installPath, 'config', 'config.js'),
    [
      '// Of the backup proxy',
      ...Object.entries(said).map(([name, value]) => `${name}=${JSON.stringify(value)};`),
      ...lines,
    ].join('\r\n'),
    { mode: 0o600 },
  );
  return installPath;
}

/** The lab's environment without a word of its host, for what is to be read from a file. */
export function hostless(lab: Lab): NodeJS.ProcessEnv {
  const nothing = { EVERTHAW_HOST: '', EVERTHAW_PORT: '', EVERTHAW_USERNAME: '', EVERTHAW_PASSWORD: '' };
  return { ...lab.everthaw.environment, ...nothing };
}
