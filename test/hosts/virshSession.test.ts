import { expect, it } from 'vitest';
import { VirshSession } from '../../src/hosts/libvirt/connection/virshSession.js';

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
