import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EVERTHAW, SHELLS } from '../lab/programs.js';
import { run } from '../lab/run.js';

let directory: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-completion-'));
  await mkdir(join(directory, 'bin'));
  await mkdir(join(directory, 'backups'));
  await writeFile(join(directory, 'bundle.pem'), '');
  await writeFile(
    join(directory, 'bin', 'everthaw'),
    `#!/bin/sh\nexec '${process.execPath}' '${EVERTHAW}' "$@"\n`,
    { mode: 0o755 },
  );
  env = { ...process.env, PATH: `${join(directory, 'bin')}${delimiter}${process.env['PATH'] ?? ''}` };
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** What bash offers behind a line whose words it has split as it does: at spaces, and at `:` and `=`. */
async function offered(line: string): Promise<readonly string[]> {
  const words = line.split(/ |(?<=[:=])|(?=[:=])/);
  const script = `
    eval "$(everthaw completion bash)"
    complete -p "$1" | grep -q _everthaw || exit 3
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _everthaw
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run('bash', ['-c', script, 'bash', ...words], { env, cwd: directory });
  return stdout.split('\n').filter((word) => word !== '');
}

describe('bash completes', () => {
  it.each([
    ['commands', 'everthaw c', ['cancel', 'check', 'cleanup', 'config', 'completion']],
    ['commands of commands', 'everthaw config ', ['show', 'check', 'help']],
    ['commands behind a flag of the program', 'everthaw --config x.yaml sta', ['status']],
    ['flags', 'everthaw backup --s', ['--scratch-directory', '--snapshot-policy']],
    ['values of a setting', 'everthaw backup --snapshot-policy m', ['manual']],
    ['values behind =', 'everthaw restore x --existing=o', ['overwrite']],
    ['values with a colon in them', 'everthaw backup --transport nbdssl:l', ['lease']],
    ['values that are an argument', 'everthaw places d', ['datastores']],
    ['directories where one is meant', 'everthaw restore b', ['bin', 'backups']],
    ['files where one is meant', 'everthaw backup db --ca-file bu', ['bundle.pem']],
    ['flags of historic programs', 'vcbRestore --po', ['--power-on']],
    ['their values', 'vcbRestore -b ', ['prompt', 'overwrite', 'keep', 'abort']],
    ['their directories', 'vcbRestore -s ba', ['backups']],
    ['their arguments', 'pre-command /opt/vcb db i', ['image']],
    ['nothing where a name is meant', 'everthaw watch b', []],
    ['nothing of itself', 'everthaw complete-', []],
  ])('%s: %s', async (_what, line, wanted) => {
    expect([...(await offered(line))].sort()).toEqual([...wanted].sort());
  });
});

describe.each([
  ['zsh', 'bin/zsh', '-n'],
  ['fish', 'usr/bin/fish', '--no-execute'],
] as const)('the script for %s', (shell, program, check) => {
  it('is one that the shell can read', async () => {
    const { stdout } = await run('everthaw', ['completion', shell], { env });
    expect(stdout).toContain('everthaw complete-words');
    const file = join(directory, `script.${shell}`);
    await writeFile(file, stdout);
    const libraries = join(SHELLS, 'usr/lib', (await run('uname', ['-m'])).stdout.trim() + '-linux-gnu');
    const read = await run(join(SHELLS, program), [check, file], { env: { LD_LIBRARY_PATH: libraries } });
    expect(read).toMatchObject({ code: 0, stderr: '' });
  });
});
