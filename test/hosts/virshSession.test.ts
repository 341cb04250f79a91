import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { localShell } from '../../src/system/hostShell.js';
import { Virsh } from '../../src/hosts/libvirt/connection/virsh.js';
import { VirshSession } from '../../src/hosts/libvirt/connection/virshSession.js';
import { until } from '../../src/system/until.js';
import { processesWith } from '../lab/leftovers.js';

it('a virsh that dies is told from one that does not answer', async () => {
  const dying = new VirshSession({ program: 'sh', args: ['-c', 'read -r line; kill -9 $$'] }, 'here');
  await expect(dying.ask('list the VMs', 'list', 60_000)).rejects.toThrow(
    'list the VMs: virsh ended with SIGKILL. Hint',
  );
  const silent = new VirshSession({ program: 'sleep', args: ['60'] }, 'here');
  await expect(silent.ask('list the VMs', 'list', 200)).rejects.toThrow(
    'list the VMs: virsh gave no answer within 0.2 s. Hint',
  );
});

it('a virsh that nobody asks any more ends, also when it was asked as it was to be closed', async () => {
  const mark = `EVERTHAW_TEST_VIRSH=${randomUUID()}`;
  const [name = '', value] = mark.split('=');
  process.env[name] = value;
  const running = () => processesWith(mark).filter(({ program }) => program.endsWith('/virsh'));
  const virsh = new Virsh(localShell, 'test:///default');
  const asked = virsh.run('list the VMs', ['list', '--name']);
  await virsh.close();
  expect(await asked).toContain('test');
  expect(running()).toHaveLength(1);
  await until(() => running().length === 0, AbortSignal.timeout(30_000));
  expect(await virsh.run('list the VMs', ['list', '--name'])).toContain('test');
});
