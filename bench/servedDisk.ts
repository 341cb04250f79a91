import { join } from 'node:path';
import { startNbdServer, type NbdServer } from '../src/disks/nbdServer.js';
import { parseTransport } from '../src/domain/transport.js';
import { UNNOTED } from '../src/hosts/exports.js';
import type { Host } from '../src/hosts/host.js';
import { withSnapshot, type BenchLab } from './benchLab.js';

/** A snapshot's disk on its datastore, for nbdkit to serve as often as it is wanted. */
interface ServedDisk {
  readonly host: Host;
  serve: (name: string) => Promise<NbdServer>;
}

export async function withServedDisk<T>(lab: BenchLab, work: (disk: ServedDisk) => Promise<T>): Promise<T> {
  const host = await lab.open();
  return withSnapshot(host, 'bench', async (vm, snapshotId) => {
    const opened = await host.openDisk(
      parseTransport('nbdssl:datastore'),
      vm.instanceUuid,
      snapshotId,
      vm.disks[0]!,
      UNNOTED,
    );
    if (opened.kind !== 'url') throw new Error('the datastore gave no URL');
    const source = { url: opened.url, ...opened.access, offsetBytes: 0, what: 'the disk' };
    const serve = (name: string): Promise<NbdServer> =>
      startNbdServer(source, join(lab.directory, name), new AbortController().signal);
    return work({ host, serve });
  });
}

export function nbdUri({ socket }: NbdServer): string {
  return `nbd+unix:///?socket=${encodeURIComponent(socket)}`;
}
