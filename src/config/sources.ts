import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Channel } from '../domain/channel.js';
import { messageOf } from '../domain/errors.js';
import { readConf } from './backuptoolsConf.js';
import { noteMissingOptions, parseConfigJs, configJsDefaults } from './configJs.js';
import { parseEverthawYaml, type KnownHost } from './everthawYaml.js';
import { readConfigFile, type ReadFile } from './file.js';
import type { WrittenJob } from './jobsYaml.js';
import { inOrder, type Problem } from './problem.js';
import { declarationOf, flagAttribute, longFlag, SETTING_NAMES, type SettingName } from './settingTable.js';
import { Reading, type Value, type Written } from './written.js';

/** What a command says of where its settings are. */
export interface Told {
  /** What commander gave it. */
  readonly flags?: object;
  /** `--config` */
  readonly config?: string | undefined;
  /** The install path of pre-command and post-command: its config.js is read (F3). */
  readonly installPath?: string | undefined;
  /** Whether backuptools.conf is read, if it is there: by the programs of the console (F4). */
  readonly isConsole?: boolean;
  /** What the job says that is run: nothing has more weight. */
  readonly job?: { readonly name: string; readonly settings: Readonly<Record<string, Value>> };
}

/** Every setting that was written down, and what was wrong. */
export interface Sources {
  /** In the order of precedence: for each setting the first one counts. */
  readonly written: readonly Written[];
  readonly host: KnownHost | { readonly address: string } | undefined;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  /** The everthaw.yaml that was read. */
  readonly configFile: string | undefined;
  readonly channels: Readonly<Record<string, Channel>>;
  readonly jobs: readonly WrittenJob[];
}

export function configJsFile(installPath: string): string {
  return resolve(installPath, 'config', 'config.js');
}

export function confFile(env: NodeJS.ProcessEnv): string {
  return env['EVERTHAW_BACKUPTOOLS_CONF'] ?? '/etc/vmware/backuptools.conf';
}

/**
 * The everthaw.yaml that applies. Never one of the working directory: it names programs that are run, and nobody knows who wrote what
 * lies in a directory that one merely stands in.
 */
export function everthawYamlFile(env: NodeJS.ProcessEnv, config: string | undefined): string | undefined {
  const named = config ?? (env['EVERTHAW_CONFIG'] === '' ? undefined : env['EVERTHAW_CONFIG']);
  if (named !== undefined) return resolve(named);
  const places = [env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), '/etc'];
  return places.map((place) => join(place, 'everthaw', 'everthaw.yaml')).find((file) => existsSync(file));
}

/** Reads flags, environment and files. Never throws: all that is wrong is told at once. */
export function readSources(env: NodeJS.ProcessEnv, told: Told): Sources {
  const flags = readFlags(told.flags ?? {});
  const environment = readEnvironment(env);
  const configFile = everthawYamlFile(env, told.config);
  const yaml = configFile === undefined ? NO_YAML : readYaml(configFile);
  const readings = [...(told.job === undefined ? [] : [readJob(told.job)]), flags, environment];
  const jsFile = told.installPath === undefined ? undefined : configJsFile(told.installPath);
  const js = jsFile === undefined ? undefined : readJs(jsFile);
  if (js !== undefined) readings.push(js);
  if (told.isConsole === true && existsSync(confFile(env))) readings.push(readConsole(confFile(env)));

  const general = [...readings.flatMap(({ written }) => written), ...yaml.written];
  const host = chooseHost(valueIn(general, 'host'), yaml.hosts);
  const proxy = valueIn(general, 'proxy');
  const written = [
    ...readings.flatMap((reading) => reading.written),
    ...(host !== undefined && 'written' in host ? host.written : []),
    ...((proxy === undefined ? undefined : yaml.proxies.get(proxy)) ?? []),
    ...yaml.written,
    ...(jsFile === undefined ? [] : configJsDefaults(jsFile)),
    // The only one that is known needs not be named.
    ...(host !== undefined && 'from' in host
      ? [{ setting: 'host' as const, value: host.name, from: host.from }]
      : []),
  ];
  if (js !== undefined && jsFile !== undefined) noteMissingOptions(js, jsFile, written, host?.address);
  const all = [...readings, yaml];
  return {
    written,
    host,
    problems: all.flatMap(({ problems }) => inOrder(problems)),
    warnings: all.flatMap(({ warnings }) => warnings),
    configFile,
    channels: yaml.channels,
    jobs: yaml.jobs,
  };
}

/** They were checked when the job was written down. */
function readJob({ name, settings }: NonNullable<Told['job']>): Reading {
  const reading = new Reading();
  const place = { from: `job ${name}`, directory: '/' };
  for (const setting of SETTING_NAMES) {
    const given = settings[setting];
    if (given !== undefined) reading.take(setting, given, { ...place, option: setting });
  }
  return reading;
}

/** Reads config.js; what is missing in it only the caller knows. */
export function readJs(file: string): Reading {
  return readText(file, (text, { readableByOthers }) => {
    const reading = parseConfigJs(text, file);
    warnOfPassword(reading, file, readableByOthers);
    return reading;
  });
}

/** Reads backuptools.conf, if nobody else can have written it. */
export function readConsole(file: string): Reading {
  return readText(file, (text, { readableByOthers, untrusted }) => {
    const reading = new Reading();
    if (untrusted !== undefined) {
      reading.wrong(
        file,
        `it is run by sh, and is not, for ${untrusted}; allowed: a file of root’s or this user’s own that nobody else can write (chmod go-w)`,
      );
      return reading;
    }
    const read = readConf(text, file);
    warnOfPassword(read, file, readableByOthers);
    return read;
  });
}

export function readYaml(file: string): ReturnType<typeof parseEverthawYaml> {
  let found: ReturnType<typeof parseEverthawYaml> | undefined;
  const reading = readText(file, (text, { untrusted }) => {
    found = parseEverthawYaml(text, file);
    // It names the temporal program that is run.
    if (untrusted !== undefined) found.warnings.push(`${file}: ${untrusted}`);
    return new Reading();
  });
  return found ?? { ...NO_YAML, problems: reading.problems };
}

const NO_YAML: ReturnType<typeof parseEverthawYaml> = {
  written: [],
  problems: [],
  warnings: [],
  hosts: [],
  proxies: new Map(),
  channels: {},
  jobs: [],
};

function readText(file: string, read: (text: string, opened: ReadFile) => Reading): Reading {
  let opened: ReadFile;
  try {
    opened = readConfigFile(file);
  } catch (error) {
    const reading = new Reading();
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    reading.wrong(file, code === 'ENOENT' ? 'there is no such file' : `cannot be read: ${messageOf(error)}`);
    return reading;
  }
  return read(opened.text, opened);
}

function warnOfPassword(reading: Reading, file: string, readableByOthers: boolean): void {
  if (readableByOthers && reading.attempted.has('password'))
    reading.warnings.push(`${file} holds a password and can be read by others: chmod go-r it`);
}

function readFlags(flags: object): Reading {
  const given = flags as Readonly<Record<string, unknown>>;
  const reading = new Reading();
  for (const setting of SETTING_NAMES) {
    const { flag } = declarationOf(setting);
    const value = flag === undefined ? undefined : given[flagAttribute(flag)];
    if (flag === undefined || value === undefined) continue;
    const option = longFlag(flag);
    const place = { from: `flag ${option}`, where: 'the command line', directory: process.cwd() };
    reading.take(setting, value, { ...place, option });
    if (setting === 'password')
      reading.warnings.push(
        'the password after -p is visible in the process list; set EVERTHAW_PASSWORD or EVERTHAW_PASSWORD_FILE instead',
      );
  }
  return reading;
}

function readEnvironment(env: NodeJS.ProcessEnv): Reading {
  const reading = new Reading();
  for (const setting of SETTING_NAMES) {
    const option = declarationOf(setting).env;
    const value = option === undefined ? undefined : env[option];
    // A variable that is empty says nothing, as in the shell.
    if (option === undefined || value === undefined || value === '') continue;
    const place = {
      from: `environment variable ${option}`,
      where: 'the environment',
      directory: process.cwd(),
    };
    reading.take(setting, value, { ...place, option });
  }
  return reading;
}

/** By its name in everthaw.yaml or by its address; where none is said, the only one that is known. */
function chooseHost(said: string | undefined, hosts: readonly KnownHost[]): Sources['host'] {
  if (said === undefined) return hosts.length === 1 ? hosts[0] : undefined;
  return (
    hosts.find(({ name }) => name === said) ??
    hosts.find(({ address }) => address === said) ?? { address: said }
  );
}

function valueIn(written: readonly Written[], wanted: SettingName): string | undefined {
  const found = written.find(({ setting }) => setting === wanted);
  return found === undefined ? undefined : String(found.value);
}
