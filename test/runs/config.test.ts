import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EVERTHAW } from '../lab/programs.js';
import { run, type Ran } from '../lab/run.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-config-'));
});

afterAll(() => rm(directory, { recursive: true }));

function everthaw(env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Ran> {
  return run(process.execPath, [EVERTHAW, ...args], { env: environment(env), mayFail: true });
}

function environment(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: directory, EVERTHAW_BACKUPTOOLS_CONF: '/nonexistent', ...more };
}

async function written(name: string, text: string): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

/** `config show` as programs read it: value and origin by setting. */
async function shown(
  env: NodeJS.ProcessEnv,
  ...args: readonly string[]
): Promise<ReadonlyMap<string, unknown>> {
  const { stdout } = await everthaw(env, ...args, 'config', 'show', '--json');
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { setting: string; value: unknown; from: string });
  return new Map(lines.map(({ setting, value, from }) => [setting, [value, from]]));
}

describe('everthaw config show', () => {
  it('says each value and who said so, and no secret', async () => {
    const file = await written('show.yaml', 'proxy: proxy1\ndefaults:\n  retries: 3\n');
    const env = { EVERTHAW_PORT: '8443', EVERTHAW_PASSWORD: 'open sesame' };
    const settings = await shown(env, '--config', file);
    expect(settings.get('proxy')).toEqual(['proxy1', `${file}:1`]);
    expect(settings.get('retries')).toEqual([3, `${file}:3`]);
    expect(settings.get('port')).toEqual([8443, 'environment variable EVERTHAW_PORT']);
    expect(settings.get('backoff')).toEqual([10, 'default']);
    expect(settings.get('root')).toEqual([null, 'not given']);
    expect(settings.get('password')).toEqual(['***', 'environment variable EVERTHAW_PASSWORD']);
    const { stdout, stderr, code } = await everthaw(env, '--config', file, 'config', 'show');
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout).toMatch(/^password +\*\*\* +environment variable EVERTHAW_PASSWORD$/m);
    expect(stdout).not.toContain('sesame');
  });

  it('finds everthaw.yaml by --config or in the user’s own place, never where one stands', async () => {
    const own = join(directory, '.config', 'everthaw');
    await mkdir(own, { recursive: true });
    for (const place of [own, directory]) await writeFile(join(place, 'everthaw.yaml'), `proxy: ${place}\n`);
    const ran = await run(process.execPath, [EVERTHAW, 'config', 'show'], {
      env: environment({}),
      cwd: directory,
    });
    expect(ran.stdout).toContain(`everthaw.yaml: ${join(own, 'everthaw.yaml')}\n`);
    const named = join(directory, 'everthaw.yaml');
    expect((await shown({ EVERTHAW_CONFIG: '/nonexistent' }, '--config', named)).get('proxy')).toEqual([
      directory,
      `${named}:1`,
    ]);
  });
});

describe('everthaw config check', () => {
  it('says all problems of files, one a line, with exit code 2', async () => {
    const js = await written('config.js', 'HOST="vc";\nPRT=1;\nBACKUPROOT="/nonexistent";\n');
    const yaml = await written('check.yaml', 'proxi: a\nhosts: { a: { kind: b } }\n');
    const shell = await written('b.conf', 'HOST_THUMBPRINT=1\n');
    const other = await written('notes.txt', '');
    const { stdout, stderr, code } = await everthaw({}, 'config', 'check', js, yaml, shell, other);
    expect({ stderr, code }).toEqual({ stderr: '', code: 2 });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.replaceAll(directory, '').replace(/ .*/, ''))).toEqual([
      ...['/config.js:', '/config.js:', '/config.js:2:', '/config.js:3:'],
      ...['/check.yaml:1:1:', '/check.yaml:2:15:', '/b.conf:1:', '/notes.txt:'],
    ]);
    expect(stdout).toContain('USERNAME is not given');
    expect(stdout).toContain('there is no directory "/nonexistent"');
  });

  it('says that nothing is wrong, and what applies here without a file', async () => {
    const yaml = await written('fine.yaml', 'proxy: a\n');
    expect(await everthaw({}, 'config', 'check', yaml)).toEqual({
      code: 0,
      stdout: `nothing is wrong with ${yaml}\n`,
      stderr: '',
    });
    const wrong = await everthaw({ EVERTHAW_CONFIG: yaml, EVERTHAW_PORT: 'x' }, 'config', 'check', '--json');
    expect(wrong.code).toBe(2);
    expect(JSON.parse(wrong.stdout)).toEqual({
      where: 'the environment',
      problem: 'EVERTHAW_PORT is "x"; allowed: a whole number from 1 to 65535',
    });
  });

  it('is what every other command does first', async () => {
    const ran = await everthaw({ EVERTHAW_SWEEP_EVERY_S: 'often' }, 'worker');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(
      /^everthaw: read the settings: the environment: EVERTHAW_SWEEP_EVERY_S is "often"; .*\n$/,
    );
  });
});

describe('a password', () => {
  it('that is not given is asked for where there is a terminal, which does not show it', async () => {
    const { said, code } = await typed('open sesame\r');
    expect(said).toContain('password of me on "127.0.0.1": ');
    expect(said).not.toContain('sesame');
    expect(said).toContain('127.0.0.1');
    expect(code).toBe(1);
  });

  it('that is asked for may be refused: by Ctrl-C, or by the end of the input', async () => {
    expect((await typed('open\u0003')).code).toBe(130);
    const { said, code } = await typed('\u0004');
    expect(said).toContain('no password was typed');
    expect(code).toBe(2);
  });

  it('is not asked for where there is nobody', async () => {
    const ran = await everthaw({ EVERTHAW_HOST: '127.0.0.1', EVERTHAW_USERNAME: 'me' }, 'vms', 'db1');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('the password is not given, and there is no terminal to ask at');
  });

  it('in a file that others can read is told as a warning', async () => {
    const file = await written('password', 'open sesame\n');
    const warned = async (): Promise<string> =>
      (
        await everthaw(
          { EVERTHAW_HOST: '127.0.0.1', EVERTHAW_PORT: '1', EVERTHAW_USERNAME: 'me' },
          'vms',
          'db1',
          '--password-file',
          file,
        )
      ).stderr;
    expect(await warned()).not.toContain('warning');
    await chmod(file, 0o644);
    expect(await warned()).toContain(`warning: the password in "${file}" can be read by others`);
  });
});

/** Runs a command that needs a password at a terminal of its own, and types when it asks. Nobody listens at its host's port. */
async function typed(keys: string): Promise<{ readonly said: string; readonly code: number | null }> {
  const command = `exec ${process.execPath} ${EVERTHAW} vms db1 --host 127.0.0.1 --port 1 --username me`;
  const terminal = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: environment({ SHELL: '/bin/sh', EVERTHAW_CONFIG: '/dev/null' }),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  let isTyped = false;
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (isTyped || !said.includes('password of')) return;
    isTyped = true;
    terminal.stdin.write(keys);
  });
  const [code] = (await once(terminal, 'close')) as [number | null];
  return { said, code };
}
