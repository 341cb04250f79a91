import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { isAlive, killProcess, processIdentity } from '../../src/system/processIdentity.js';
import { until } from '../../src/system/until.js';

/** The kernel's exit of one thread, where a process's exit is of all. */
const SYS_EXIT = process.arch === 'arm64' ? 93 : 60;

it('counts a process whose first thread has ended as alive while another of its threads may write', async () => {
  const child = spawn(
    'perl',
    ['-Mthreads', '-e', `threads->create(sub { sleep 600 }); syscall(${SYS_EXIT}, 0)`],
    {
      stdio: 'ignore',
    },
  );
  const identity = await processIdentity(child.pid ?? 0);
  const isZombie = async () => (await readFile(`/proc/${identity.pid}/stat`, 'utf8')).includes(' Z ');
  await until(isZombie, AbortSignal.timeout(10_000));
  expect(await isAlive(identity)).toBe(true);
  await killProcess(identity);
  expect(await isAlive(identity)).toBe(false);
});
