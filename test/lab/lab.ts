import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { Manifest } from '../../src/domain/manifest.js';
import { PHASE_QUERY, vmWorkflowId } from '../../src/domain/names.js';
import { until } from '../../src/system/until.js';
import { connectClient, type TemporalAddress } from '../../src/temporal/client.js';
import { sha256 } from './disks.js';
import { LabEverthaw } from './everthaw.js';
import { run, type Ran } from './run.js';
import { LabVcenter, type LabVm } from './vcenter.js';

const PATIENCE_MS = 30_000;
/** Fast enough to get into the middle of a disk soon, slow enough not to get through it. */
const SLOW_BYTES_PER_SECOND = 4_000_000;
const HELD_BYTES_PER_SECOND = 20_000;

/** A vCenter of its own, an installed Everthaw with a worker, and what tests do with them again and again. */
export class Lab {
  readonly vcenter: LabVcenter;
  readonly everthaw: LabEverthaw;
  readonly client: Client;

  private constructor(vcenter: LabVcenter, everthaw: LabEverthaw, client: Client) {
    this.vcenter = vcenter;
    this.everthaw = everthaw;
    this.client = client;
  }

  static async start(
    vms: readonly LabVm[],
    temporal: TemporalAddress,
    vcenterFlags: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Lab> {
    const vcenter = await LabVcenter.start(vms, vcenterFlags);
    const host = { everthawEnvironment: () => ({ ...vcenter.everthawEnvironment(), ...environment }) };
    const everthaw = await LabEverthaw.create(host, temporal);
    await everthaw.startWorker();
    const client = await connectClient(temporal);
    return new Lab(vcenter, everthaw, client);
  }

  async stop(): Promise<void> {
    await this.client.connection.close();
    await this.everthaw.remove();
    await this.vcenter.stop();
  }

  /** Where a backup goes that is told nothing else than the root. */
  directoryOf(vm: string): string {
    return join(this.everthaw.backups, `${vm}-fullVM`);
  }

  backup(vm: string, ...flags: readonly string[]): Promise<Ran> {
    const to = flags.includes('--to') ? [] : ['--root', this.everthaw.backups];
    return this.everthaw.everthaw('backup', vm, ...to, ...flags);
  }

  restore(directory: string, ...flags: readonly string[]): Promise<Ran> {
    return this.everthaw.everthaw('restore', directory, ...flags);
  }

  /** SHA-256 of a VM's disk as another client reads it from the datastore. */
  async diskOf(vm: string, index = 0, datastore = 'LocalDS_0'): Promise<string> {
    const path = (await this.vcenter.vm(vm)).disks?.[index]?.path ?? '';
    const file = join(this.everthaw.directory, 'read-back.raw');
    await this.vcenter.govc(
      ...['datastore.download', '-ds', datastore, '--'],
      path.replace(/^\[[^\]]+\] /, '').replace(/\.vmdk$/, '-flat.vmdk'),
      file,
    );
    return sha256(file);
  }

  /** SHA-256 of the first disk of a backup as another program than ours reads it. */
  async diskIn(directory: string): Promise<string> {
    const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
    const raw = join(this.everthaw.directory, 'converted.raw');
    await run('qemu-img', ['convert', '-O', 'raw', join(directory, manifest.disks[0]?.file ?? ''), raw]);
    return sha256(raw);
  }

  /** Slows the bytes of a path down, lets `start` begin, and returns in the middle of its download. */
  async holdDownload<T>(
    path: '/nfc' | '/folder',
    root: string,
    start: () => T,
  ): Promise<{ readonly ran: T }> {
    await this.vcenter.control('POST', '/throttle', { path, bytesPerSecond: SLOW_BYTES_PER_SECOND });
    const ran = start();
    await eventually(async () => (await partialBytes(root)) > 0);
    await this.vcenter.control('POST', '/throttle', { path, bytesPerSecond: HELD_BYTES_PER_SECOND });
    return { ran };
  }

  /** The workflow id of a VM's runs. */
  async runOf(vm: string): Promise<string> {
    return vmWorkflowId(this.vcenter.ready.instanceUuid, (await this.vcenter.vm(vm)).instanceUuid);
  }

  /** What a VM's run says that it is doing. */
  async phaseOf(vm: string): Promise<string> {
    return this.client.workflow.getHandle(await this.runOf(vm)).query<string>(PHASE_QUERY);
  }

  /** Why the last attempts of a run's steps failed. */
  async troubleOf(vm: string): Promise<string> {
    const { raw } = await this.client.workflow.getHandle(await this.runOf(vm)).describe();
    return (raw.pendingActivities ?? []).map(({ lastFailure }) => lastFailure?.message ?? '').join('\n');
  }

  /** A CA that has signed nothing of this lab. */
  async anotherCa(): Promise<{ readonly pem: string }> {
    const pem = join(this.everthaw.directory, 'another-ca.pem');
    const key = join(this.everthaw.directory, 'another-ca.key');
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', '/CN=another CA', '-days', '2', '-keyout', key, '-out', pem],
    ]);
    return { pem };
  }

  /** How often a method was called since the count was last cleared. */
  async callsOf(method: string): Promise<number> {
    const { methods } = await this.vcenter.get<{ methods: Record<string, { count: number }> }>('/requests');
    return methods[method]?.count ?? 0;
  }
}

/** Waits for a condition, as long as a test may take. */
export function eventually(condition: () => Promise<boolean> | boolean): Promise<void> {
  return until(condition, AbortSignal.timeout(PATIENCE_MS));
}

/** Bytes of disks in unfinished backups below a directory. */
async function partialBytes(root: string): Promise<number> {
  const partials = (await readdir(root)).filter((name) => name.includes('.partial-'));
  let bytes = 0;
  for (const partial of partials) {
    for (const name of await readdir(join(root, partial)).catch(() => [])) {
      if (!/\.vmdk(\.attempt-\w+)?$/.test(name)) continue;
      bytes += (await stat(join(root, partial, name)).catch(() => undefined))?.blocks ?? 0;
    }
  }
  return bytes;
}
