import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONF_VARIABLES, readConf } from '../../src/config/backuptoolsConf.js';
import { formatProblem } from '../../src/config/problem.js';
import { readConsole } from '../../src/config/sources.js';
import { conf, confValues } from './samples.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-conf-'));
});

afterAll(() => rm(directory, { recursive: true }));

function valuesOf(text: string): Readonly<Record<string, unknown>> {
  const { written, problems } = readConf(text, '/b.conf');
  expect(problems).toEqual([]);
  return Object.fromEntries(written.map(({ setting, value }) => [setting, value]));
}

describe('backuptools.conf', () => {
  it('is the shell’s: comments, quotes, escapes, variables and command substitution', () => {
    const text = [
      '# The console',
      'domain=example.com',
      'VCHOST="vc.$domain"',
      'export USERNAME=$(printf "back%s" up)',
      'PASSWORD=\\$cret\\ "$HOME"\'$domain\'',
      'VMHOST=`echo esx1`',
      'DSPATH="[oldvms] %VMNAME%"',
      'RESOURCEPOOL=',
      'if true; then FOLDERPATH=a; fi',
      '[ -f /nonexistent ] && VMNAMECACHE=b',
    ].join('\n');
    expect(valuesOf(text)).toEqual({
      host: 'vc.example.com',
      username: 'backup',
      password: '$cret $domain',
      restoreHost: 'esx1',
      restoreDatastore: '[oldvms] %VMNAME%',
      restoreFolder: 'a',
    });
  });

  it('says in which line each value was assigned', () => {
    const { written } = readConf('# one\nVCHOST=a\n\n  export VMHOST=b\n', '/b.conf');
    expect(written.map(({ from }) => from)).toEqual(['/b.conf:2', '/b.conf:4']);
  });

  it('may have variables of its own; one that is nearly a setting is told as a warning', () => {
    const { warnings, problems } = readConf('mine=1\nPASSWROD=x\n', '/b.conf');
    expect(problems).toEqual([]);
    expect(warnings).toEqual(['/b.conf:2: unknown option "PASSWROD"; did you mean PASSWORD?']);
  });

  it.each([
    ['VCHOST="a', /^\/b\.conf: sh cannot read it: sh complains about line \d/],
    ['exit 0', /^\/b\.conf: sh cannot read it: it ends the shell before its own end \(exit 0\)/],
    ['exec true', /^\/b\.conf: sh cannot read it: it ends the shell/],
    ['HOST_THUMBPRINT=12:34', /^\/b\.conf:1: HOST_THUMBPRINT is "12:34"; allowed: XX:XX:…/],
    ['VCHOST="$(printf \'a\\nb\')"', /^\/b\.conf:1: VCHOST is "a\\nb"; allowed: a text/],
    ['VMHOST=$(head -c 100000 /dev/zero | tr "\\\\0" a)', /^\/b\.conf: sh: .*ENOBUFS/],
  ])('%j is refused', (text, problem) => {
    expect(readConf(text, '/b.conf').problems.map(formatProblem)).toEqual([
      expect.stringMatching(problem) as string,
    ]);
  });

  it('never shows a piece of the password, also where its quotes are forgotten', () => {
    for (const text of [
      'PASSWORD=open sesame',
      'PASSWORD=open;sesame',
      'PASSWORD="open sesame',
      'PASSWORD=open(sesame',
    ]) {
      const { problems, warnings } = readConf(text, '/b.conf');
      expect([...problems.map(formatProblem), ...warnings].join('\n')).toMatch(/sh complains/);
      expect(JSON.stringify({ problems, warnings })).not.toContain('sesame');
    }
  });

  it('is given up when it takes too long, with all that it started', () => {
    const mark = `3${process.pid}`;
    const startedAt = performance.now();
    const { problems } = readConf(`VCHOST=$(sleep ${mark})`, '/b.conf', 500);
    expect(problems.map(formatProblem)).toEqual(['/b.conf: sh has not read it after 0.5 s']);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(spawnSync('pgrep', ['-f', `sleep ${mark}`]).status).toBe(1);
  });

  it('sees nothing of our environment, and prints nothing of its own', () => {
    process.env['VMHOST'] = 'ours';
    try {
      expect(valuesOf('echo loud; VCHOST=a$EVERTHAW_CONFIG$VMHOST')).toEqual({ host: 'a' });
    } finally {
      delete process.env['VMHOST'];
    }
  });

  it('comes back as it was written, and no text in it becomes a command', () => {
    const mark = join(directory, 'harmed');
    const harm = fc.constantFrom(
      `$(touch ${mark})`,
      `\`touch ${mark}\``,
      `'; touch ${mark}; '`,
      `"; touch ${mark}`,
      `\\`,
      '\n',
    );
    const values = fc.tuple(confValues, harm).map(([each, text]): Readonly<Record<string, string>> => ({
      ...each,
      PASSWORD: `${each.PASSWORD ?? ''}${text}`,
    }));
    fc.assert(
      fc.property(values, (each) => {
        expect(valuesOf(conf(each))).toEqual(
          Object.fromEntries(Object.entries(each).map(([name, value]) => [CONF_VARIABLES.get(name), value])),
        );
      }),
      { numRuns: 40 },
    );
    expect(existsSync(mark)).toBe(false);
  });
});

describe('backuptools.conf is run only', () => {
  const problemsOf = (file: string): readonly string[] => readConsole(file).problems.map(formatProblem);

  async function written(name: string, mode = 0o600): Promise<string> {
    const file = join(directory, name);
    await writeFile(file, 'VCHOST=a\n');
    await chmod(file, mode);
    return file;
  }

  it('where nobody else can write it', async () => {
    expect(problemsOf(await written('fine'))).toEqual([]);
    for (const [name, mode] of [
      ['group', 0o620],
      ['world', 0o602],
    ] as const)
      expect(problemsOf(await written(name, mode))).toEqual([
        expect.stringMatching(
          /it is run by sh, and is not, for .* can be written by others \(mode 6/,
        ) as string,
      ]);
  });

  it('where nobody else can put another file in its place', async () => {
    const open = join(directory, 'open');
    await mkdir(open);
    await chmod(open, 0o777);
    const file = await written('open/b.conf');
    expect(problemsOf(file)).toEqual([
      expect.stringContaining(`the directory "${open}" can be written by others`) as string,
    ]);
    // As /tmp is: nobody can replace what is another's.
    await chmod(open, 0o1777);
    expect(problemsOf(file)).toEqual([]);
  });

  it('where no link leads to it that others can bend', async () => {
    const open = join(directory, 'links');
    await mkdir(open);
    const file = await written('straight');
    await symlink(file, join(open, 'b.conf'));
    expect(problemsOf(join(open, 'b.conf'))).toEqual([]);
    await chmod(open, 0o777);
    expect(problemsOf(join(open, 'b.conf'))).toEqual([
      expect.stringContaining(`the directory "${open}"`) as string,
    ]);
  });

  it('where root or this user owns it', async () => {
    // Root's alone may be given away: another user's test is that root's own file is believed.
    if (process.geteuid?.() === 0) {
      const file = await written('theirs');
      await chown(file, 12_345, 12_345);
      expect(problemsOf(file)).toEqual([expect.stringContaining('belongs to user 12345') as string]);
    } else {
      expect(problemsOf('/etc/hostname').join()).not.toContain('belongs to');
    }
  });

  it('where it is a file, and is there', async () => {
    const pipe = join(directory, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    expect(problemsOf(pipe)).toEqual([`${pipe}: cannot be read: it is no regular file`]);
    expect(problemsOf(directory)).toEqual([`${directory}: cannot be read: it is no regular file`]);
    expect(problemsOf(join(directory, 'none'))).toEqual([
      `${join(directory, 'none')}: there is no such file`,
    ]);
    const long = await written('long');
    await writeFile(long, '#'.repeat(2 ** 20 + 1));
    expect(problemsOf(long)).toEqual([`${long}: cannot be read: it is longer than 1048576 bytes`]);
  });

  it('and a warning says where others can read its password', async () => {
    const file = await written('secret', 0o640);
    expect(readConsole(file).warnings).toEqual([]);
    await writeFile(file, 'PASSWORD=x\n');
    expect(readConsole(file).warnings).toEqual([
      `${file} holds a password and can be read by others: chmod go-r it`,
    ]);
    await chmod(file, 0o600);
    expect(readConsole(file).warnings).toEqual([]);
  });
});
