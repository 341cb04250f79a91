import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localBackup } from '../../src/destinations/storedBackup.js';
import { verifyRestorePoint } from '../../src/destinations/verifyRestorePoint.js';
import { command } from '../../src/integrations/command.js';
import { until } from '../../src/system/until.js';
import { refusal } from '../lab/refusal.js';
import { run } from '../lab/run.js';
import { filesIn } from '../volumes/imageBackup.js';
import { makePoint, volumeAt } from './fileBackup.js';

let directory: string;

const at = (...names: readonly string[]): string => join(directory, ...names);
const volumes = () => [volumeAt(at('tree'), 'D:')];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-command-'));
  await mkdir(at('tree'));
  await writeFile(at('tree/file'), 'x');
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe('a command', () => {
  it('gets path, VM and kind as they are, by no shell, and what it said last is told', async () => {
    const script = 'for word; do printf "<%s>\\n" "$word"; done; echo to stderr >&2';
    const module = command([
      'sh',
      '-c',
      script,
      'sh',
      '{path}',
      'of {vm}: {kind} {other}',
      '$(touch pwned); *',
    ]);
    const made = await makePoint(directory, { module, kind: 'full', volumes: volumes() });
    expect(made.lastLines.toSorted()).toEqual(
      [`<${directory}>`, '<of vm: full {other}>', '<$(touch pwned); *>', 'to stderr'].toSorted(),
    );
    expect(made).toMatchObject({ kind: 'file-full', module: { name: 'command', place: 'sh' }, files: [] });
    const verified = await verifyRestorePoint(
      localBackup(made.directory),
      () => undefined,
      new AbortController().signal,
    );
    expect(verified).toMatchObject({ state: 'unknown', faults: [] });
    expect(verified.unseen.join()).toContain('ask command about them');
    expect(refusal(await filesIn(at('state'))('ls', made.directory, 'D:\\'), 2)).toContain(
      'command carried them elsewhere (sh)',
    );
  });

  it('that fails makes no restore point; its exit code and last lines are told', async () => {
    const module = command(['sh', '-c', 'seq 100; echo "cannot reach the tape" >&2; exit 7']);
    const making = makePoint(at('failing'), { module, kind: 'incremental', volumes: volumes() });
    await expect(making).rejects.toMatchObject({ code: 'ProgramFailed' });
    await expect(making).rejects.toThrow(
      /^back up "vm" with sh: sh ended with 7: .*99; 100; cannot reach the tape\. Hint: /,
    );
    expect(await readdir(at('failing/vm-files'))).toEqual([expect.stringContaining('.partial-')]);
  });

  it('that is not there is told as such', async () => {
    const module = command(['/no/such/program']);
    await expect(makePoint(directory, { module, kind: 'full', volumes: volumes() })).rejects.toMatchObject({
      code: 'ProgramMissing',
    });
  });

  it('that was cancelled is ended with all that it started', async () => {
    const abort = new AbortController();
    const module = command(['sh', '-c', 'sleep 987654 & echo $! > "$1/pid"; wait', 'sh', directory]);
    const making = makePoint(directory, { module, kind: 'full', volumes: volumes(), signal: abort.signal });
    const pid = async (): Promise<string> => (await readFile(at('pid'), 'utf8').catch(() => '')).trim();
    await Promise.all([
      expect(making).rejects.toThrow('enough'),
      until(async () => (await pid()) !== '', new AbortController().signal).then(() => {
        abort.abort(new Error('enough'));
      }),
    ]);
    // A zombie is no process that reads anything.
    const state = await run('sh', ['-c', 'grep State: /proc/$1/status', 'sh', await pid()], {
      mayFail: true,
    });
    expect(state.stdout).toMatch(/^$|zombie/);
  });

  it('knows nothing of what is chosen, and says so', async () => {
    const making = makePoint(directory, {
      ...{ module: command(['true']), kind: 'full', volumes: volumes() },
      include: ['D:\\file'],
    });
    await expect(making).rejects.toThrow(
      'what is included and excluded is for modules that know what it means',
    );
  });
});
