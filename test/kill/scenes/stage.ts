import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { formatOwner, type OwnerRecord } from '../../../src/domain/owner.js';
import { clusterIdOf, connectClient } from '../../../src/temporal/client.js';
import { LabEverthaw, type LabHost } from '../../lab/everthaw.js';
import { leftoversOnProxy } from '../../lab/leftovers.js';
import { fingerprint } from '../../lab/refusal.js';
import { run } from '../../lab/run.js';
import { LabTemporalServer } from '../../lab/temporalServer.js';
import { smallDestination } from '../harms/destination.js';

const SMALL_SIZE = '160m';
const NOBODYS_RUN = '0198aaaa-0000-7000-8000-000000000000';

/** Mounts there are seen by all, though a proxy that seems to be another machine has a table of mounts of its own (disguise.ts). */
async function share(directory: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  await run('mount', ['--bind', directory, directory]);
  await run('mount', ['--make-private', directory]);
  await run('mount', ['--make-shared', directory]);
}

/** What every scene has, whatever its host: a Temporal server on a file, an Everthaw with a worker, other people's files. */
export class Stage {
  readonly temporal: LabTemporalServer;
  readonly everthaw: LabEverthaw;
  readonly client: Client;
  readonly cluster: string;

  private constructor(temporal: LabTemporalServer, everthaw: LabEverthaw, client: Client, cluster: string) {
    this.temporal = temporal;
    this.everthaw = everthaw;
    this.client = client;
    this.cluster = cluster;
  }

  static async start(host: LabHost): Promise<Stage> {
    const temporal = await LabTemporalServer.start();
    const everthaw = await LabEverthaw.create(host, temporal.throughProxy);
    await share(everthaw.directory);
    await everthaw.startWorker();
    const client = await connectClient(temporal.direct);
    const stage = new Stage(temporal, everthaw, client, await clusterIdOf(client));
    await stage.#plant();
    const small = smallDestination(everthaw.directory);
    await mkdir(small);
    if (process.getuid?.() === 0)
      await run('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_SIZE}`, 'tmpfs', small]);
    return stage;
  }

  /** An unfinished backup that is another server's: its name and its owner file say so. */
  async #plant(): Promise<void> {
    const theirs = join(this.everthaw.backups, `theirs-fullVM.partial-${NOBODYS_RUN}`);
    await mkdir(theirs);
    await writeFile(join(theirs, '.everthaw-owner'), formatOwner(this.strangersRecord()));
    await writeFile(join(theirs, 'scsi0-0.vmdk'), 'half a disk');
  }

  /** The record of a run of a server that nobody here can ask. */
  strangersRecord(): OwnerRecord {
    return {
      version: 1,
      cluster: 'another-cluster',
      namespace: 'default',
      workflowId: 'vm/theirs/theirs',
      runId: NOBODYS_RUN,
      hostUuid: 'theirs',
      vmUuid: 'theirs',
      proxy: 'their-proxy',
      machineId: 'their-machine',
      bootId: 'their-boot',
      takenAt: new Date().toISOString(),
    };
  }

  /** The record of a run of this very server that nobody knows any more, of another VM than it is found on. */
  clonesRecord(hostUuid: string, vmUuid: string): OwnerRecord {
    return {
      ...this.strangersRecord(),
      cluster: this.cluster,
      workflowId: `vm/${hostUuid}/${vmUuid}`,
      hostUuid,
      vmUuid,
    };
  }

  /** What is on the proxy, mounts too. */
  async look(): Promise<readonly string[]> {
    const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((path) => path.startsWith(`${this.everthaw.directory}/`));
    return [...(await leftoversOnProxy(this.everthaw)), ...mounts.map((path) => `mount ${path}`)];
  }

  /** Backups that were there before, and files of others. */
  async untouched(directories: readonly string[]): Promise<readonly string[]> {
    const theirs = (await readdir(this.everthaw.backups)).filter((name) => name.startsWith('theirs-'));
    const all = [...directories, ...theirs.map((name) => join(this.everthaw.backups, name))];
    return (await Promise.all(all.map(fingerprint))).flat();
  }

  async stop(): Promise<void> {
    await this.client.connection.close();
    await this.everthaw.killWorker();
    // Children of a worker that was just killed may still be ending in there: lazily, or the directory stays a mount point.
    for (const mount of [smallDestination(this.everthaw.directory), this.everthaw.directory])
      await run('umount', ['--lazy', mount], { mayFail: true });
    await this.everthaw.remove();
    await this.temporal.stop();
  }
}
