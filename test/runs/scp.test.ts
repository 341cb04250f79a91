import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sha256, type LabDisk } from '../lab/disks.js';
import { eventually, type Lab } from '../lab/lab.js';
import { fingerprint, refusal } from '../lab/refusal.js';
import { run } from '../lab/run.js';
import type { LabSshd } from '../lab/sshd.js';
import { runOnTmpfs } from '../lab/tmpfs.js';
import { filesIn, ScpLab } from './scpLab.js';

const LONG = { timeout: 240_000 };

let scpLab: ScpLab;
let lab: Lab;
let sshd: LabSshd;
let far: string;
let backup: ScpLab['backup'];
let system: LabDisk;

beforeAll(async () => {
  scpLab = await ScpLab.start();
  ({ lab, sshd, far, backup, system } = scpLab);
}, 120_000);

afterEach(async () => {
  await lab.vcenter.heal();
  await scpLab.nothingIsLeft();
});

afterAll(() => scpLab.stop());

describe('a backup to another machine', LONG, () => {
  it.each(['nbdssl:lease', 'nbdssl:datastore'])(
    'by %s is fetched by hand, verified, and restored to the same bytes',
    async (transport) => {
      const before = [await lab.diskOf('db', 0), await lab.diskOf('db', 1)];
      const root = ['--root', sshd.scpUrl(far), '--transport', transport];
      const ran = await lab.everthaw.everthaw('backup', 'db', ...root);
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout).toContain(`backup succeeded: ${sshd.scpUrl(join(far, 'db-fullVM'))}`);
      expect((await readdir(join(far, 'db-fullVM'))).sort()).toEqual(await filesIn(join(far, 'db-fullVM')));

      const fetched = join(lab.everthaw.directory, 'fetched');
      await sshd.fetch(join(far, 'db-fullVM'), fetched);
      expect(await lab.everthaw.everthaw('verify', fetched)).toMatchObject({ code: 0, stderr: '' });
      await lab.vcenter.govc('vm.destroy', 'db');
      expect(await lab.restore(fetched)).toMatchObject({ code: 0, stderr: '' });
      expect([await lab.diskOf('db', 0), await lab.diskOf('db', 1)]).toEqual(before);
      for (const directory of [fetched, join(far, 'db-fullVM')]) await rm(directory, { recursive: true });
    },
  );

  it('keeps what is zeros as holes there', async () => {
    const directory = join(far, 'sparse');
    expect(await backup('web', directory, '--transport', 'nbdssl:datastore')).toMatchObject({ code: 0 });
    const flat = join(directory, 'scsi0-0-flat.vmdk');
    const { stdout } = await run('stat', ['-c', '%b %s', flat]);
    const [blocks = 0, size = 0] = stdout.split(' ').map(Number);
    expect(size).toBe(256 * 1024 * 1024);
    expect(blocks * 512).toBeLessThan(size / 2);
    expect(await sha256(flat)).toBe(await sha256(system.raw));
  });

  it('takes any name of a directory for a name', async () => {
    const name = `a b'c"d\`touch x\`$(touch x);touch x\n&*?\\ 'ä' -`;
    const directory = join(far, name);
    await mkdir(directory);
    expect(await backup('web', join(directory, name))).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.diskIn(join(directory, name))).toBe(await sha256(system.raw));
    const { stdout } = await run('find', [lab.everthaw.directory, '-name', 'x']);
    expect(stdout).toBe('');
    expect(existsSync(join(process.env['HOME'] ?? '/', 'x'))).toBe(false);
  });

  it('may be told an empty directory', async () => {
    const directory = join(far, 'empty');
    await mkdir(directory);
    expect(await backup('web', directory)).toMatchObject({ code: 0, stderr: '' });
    expect((await readdir(directory)).sort()).toEqual(await filesIn(directory));
  });
});

describe('a destination on another machine', LONG, () => {
  afterEach(async () => {
    await sshd.trustHostKey();
    await sshd.allowKey();
  });

  it('whose parent is missing is refused', async () => {
    const line = refusal(await backup('web', join(far, 'nowhere/web')));
    expect(line).toContain(`its parent "${join(far, 'nowhere')}" does not exist`);
    expect(line).toContain('mkdir -p');
    expect(refusal(await backup('web', '/etc/passwd/web'))).toMatch(/its parent "\/etc\/passwd" /);
  });

  it('that holds something is refused, and is as it was', async () => {
    const directory = join(far, 'taken');
    await mkdir(directory);
    await writeFile(join(directory, 'notes.txt'), 'mine');
    const before = await fingerprint(directory);
    expect(refusal(await backup('web', directory))).toContain('it exists and holds notes.txt');
    await writeFile(join(far, 'file'), 'mine');
    expect(refusal(await backup('web', join(far, 'file')))).toContain(
      'it exists and holds a file of that name',
    );
    expect(await fingerprint(directory)).toEqual(before);
  });

  it('that somebody put something into meanwhile is not overwritten', async () => {
    const directory = join(far, 'meanwhile');
    const { ran } = await lab.holdDownload('/nfc', far, () => backup('web', directory));
    await mkdir(directory);
    await writeFile(join(directory, 'notes.txt'), 'mine');
    const before = await fingerprint(directory);
    await lab.vcenter.control('DELETE', '/traffic');
    expect(refusal(await ran)).toMatch(
      /somebody put something there while the backup ran\. Hint: name another/,
    );
    expect(await fingerprint(directory)).toEqual(before);
  });

  it('with a host key that nobody has seen is not asked about it', async () => {
    await scpLab.disconnected();
    await sshd.trustHostKey(false);
    expect(refusal(await backup('web', join(far, 'web')))).toMatch(
      /: its host key is not known\. Hint: connect once/,
    );
  });

  it('that lets nobody in by a key is refused', async () => {
    await scpLab.disconnected();
    await sshd.allowKey(false);
    expect(refusal(await backup('web', join(far, 'web')))).toMatch(
      /it lets this user in by no key\. Hint: put the public/,
    );
  });

  runOnTmpfs(
    'that has too little room is refused before anything is touched',
    '8m',
    () => lab,
    async (mount) => {
      await seenBySshd();
      const line = refusal(await backup('web', join(mount, 'web')));
      expect(line).toMatch(/the VM takes \d+ bytes on its datastores, the destination has \d+ bytes left/);
      expect(await readdir(mount)).toEqual([]);
      await sshd.cut();
    },
  );

  runOnTmpfs(
    'that fills up holds the run, which goes on when there is room',
    '310m',
    () => lab,
    async (mount) => {
      await seenBySshd();
      const { ran } = await lab.holdDownload('/folder', mount, () =>
        backup('web', join(mount, 'web'), '--transport', 'nbdssl:datastore'),
      );
      await run('dd', ['if=/dev/zero', `of=${join(mount, 'other')}`, 'bs=1M'], { mayFail: true });
      await lab.vcenter.control('DELETE', '/traffic');
      await eventually(saysHeld);
      await rm(join(mount, 'other'));
      expect(await ran).toMatchObject({ code: 0, stderr: '' });
      expect(await lab.diskIn(join(mount, 'web'))).toBe(await sha256(system.raw));
      await sshd.cut();
    },
  );

  /** The room that there was is known. */
  async function saysHeld(): Promise<boolean> {
    const { raw } = await lab.client.workflow.getHandle(await lab.runOf('web')).describe();
    const [beat] = (raw.pendingActivities ?? []).flatMap((each) => each.heartbeatDetails?.payloads ?? []);
    return Buffer.from(beat?.data ?? []).includes('"held"');
  }

  /** As root it has a view of the file systems of its own, made when it starts. */
  async function seenBySshd(): Promise<void> {
    await sshd.kill();
    await sshd.cut();
    await sshd.startDaemon();
  }
});

describe('a transfer to another machine', LONG, () => {
  function stalled(path: '/nfc' | '/folder', name: string, ...flags: readonly string[]) {
    return lab.holdDownload(path, far, () => backup('web', join(far, name), ...flags));
  }

  async function expectWhole(name: string): Promise<void> {
    expect(await lab.diskIn(join(far, name))).toBe(await sha256(system.raw));
    expect((await readdir(join(far, name))).sort()).toEqual(await filesIn(join(far, name)));
  }

  it.each([
    ['/nfc', 'nbdssl:lease'],
    ['/folder', 'nbdssl:datastore'],
  ] as const)('whose connection is cut (%s) costs an attempt', async (path, transport) => {
    const name = `cut-${transport.slice(7)}`;
    const flags = ['--transport', transport, '--retries', '2', '--backoff', '1'];
    const { ran } = await stalled(path, name, ...flags);
    expect(await sshd.cut()).toBeGreaterThan(0);
    await eventually(async () =>
      (await lab.troubleOf('web')).includes('the connection ended in mid-transfer'),
    );
    await lab.vcenter.control('DELETE', '/traffic');
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
    await expectWhole(name);
  });

  it('whose connection is cut fails the run where no retry is left, and nothing stays', async () => {
    const { ran } = await stalled('/nfc', 'cut-for-good', '--retries', '0');
    await sshd.cut();
    expect(refusal(await ran)).toMatch(/write scp:.*: the connection ended in mid-transfer/);
    expect(existsSync(join(far, 'cut-for-good'))).toBe(false);
  });

  it('waits for a machine that does not answer for a while', async () => {
    const { ran } = await stalled('/nfc', 'down', '--retries', '1', '--backoff', '0');
    await sshd.kill();
    await sshd.cut();
    await lab.vcenter.control('DELETE', '/traffic');
    await eventually(async () => (await lab.troubleOf('web')).includes('Connection refused'));
    await sshd.startDaemon();
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
    await expectWhole('down');
  });

  it('of a killed worker is begun anew by the next one', async () => {
    const { ran } = await stalled('/folder', 'killed', '--transport', 'nbdssl:datastore');
    await lab.everthaw.killWorker();
    await lab.vcenter.control('DELETE', '/traffic');
    await lab.everthaw.startWorker();
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
    await expectWhole('killed');
  });

  it('that is cancelled leaves nothing there', async () => {
    const { ran } = await stalled('/nfc', 'cancelled');
    expect((await readdir(far)).some((name) => name.startsWith('cancelled.partial-'))).toBe(true);
    expect(await lab.everthaw.everthaw('cancel', 'web')).toMatchObject({ code: 0, stderr: '' });
    expect(refusal(await ran)).toMatch(/it was cancelled, and everything that it held is let go/);
    expect((await readdir(far)).filter((name) => name.startsWith('cancelled'))).toEqual([]);
  });

  it('of a run that was terminated is let go by everthaw cleanup, once its machine answers', async () => {
    const { ran } = await stalled('/nfc', 'terminated');
    await lab.client.workflow.getHandle(await lab.runOf('web')).terminate('the test');
    expect((await ran).code).toBe(1);
    await lab.everthaw.killWorker();
    await lab.vcenter.heal();
    await sshd.kill();
    await sshd.cut();
    const unseen = await lab.everthaw.everthaw('cleanup', '-y');
    expect(unseen.stdout).toMatch(/not let go: unfinished backup in "scp:.*Connection refused/);
    expect((await readdir(far)).some((name) => name.startsWith('terminated.partial-'))).toBe(true);
    await sshd.startDaemon();
    const seen = await lab.everthaw.everthaw('cleanup', '-y');
    expect(seen).toMatchObject({ code: 0, stderr: '' });
    expect(seen.stdout).toContain('let go: unfinished backup in "scp:');
    expect((await readdir(far)).filter((name) => name.startsWith('terminated'))).toEqual([]);
    await lab.everthaw.startWorker();
  });
});
