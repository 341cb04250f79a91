import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileKind } from '../../src/domain/fileManifest.js';
import { filePointName, filePointsName } from '../../src/domain/filePoints.js';
import { localDirectory } from '../../src/destinations/localDirectory.js';
import { backUpFiles, type FileContent } from '../../src/integrations/backUpFiles.js';
import { finishFileBackup } from '../../src/integrations/finishFileBackup.js';
import type { IntegrationModule, ModuleVolume } from '../../src/integrations/module.js';

export interface Asked {
  readonly module: IntegrationModule;
  readonly kind: FileKind;
  readonly volumes: readonly ModuleVolume[];
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly pointInTime?: Date;
  readonly vmUuid?: string;
  readonly signal?: AbortSignal;
}

export interface Made extends FileContent {
  readonly lastLines: readonly string[];
  /** The restore point. */
  readonly directory: string;
}

let points = 0;

/** A file-level restore point of the VM "vm" below a root, made as a run makes one. Each is taken a minute after the one before. */
export async function makePoint(root: string, asked: Asked): Promise<Made> {
  const signal = asked.signal ?? new AbortController().signal;
  const chosen = { include: asked.include ?? [], exclude: asked.exclude ?? [] };
  await asked.module.check?.(chosen, signal);
  const pointInTime = asked.pointInTime ?? new Date(Date.now() + 60_000 * ++points);
  const runId = randomUUID();
  const below = join(root, filePointsName('vm'));
  const directory = join(below, filePointName(pointInTime));
  await mkdir(below, { recursive: true });
  const destination = localDirectory(directory);
  await destination.check();
  const partial = destination.partialOf(runId);
  await partial.make('an owner');
  const instanceUuid = asked.vmUuid ?? '50c429f0-d790-5d9d-9f6a-740d2ab1154a';
  const made = await backUpFiles(
    {
      ...{ runId, module: asked.module, kind: asked.kind, vm: { name: 'vm', instanceUuid } },
      ...{ path: root, volumes: asked.volumes, ...chosen },
      ...{ pointInTime: pointInTime.toISOString(), points: below, pointName: filePointName(pointInTime) },
      partial: partial.name,
    },
    signal,
    () => undefined,
  );
  const vm = { name: 'vm', instanceUuid, biosUuid: instanceUuid, powerState: 'on' };
  const host = { uuid: 'h', product: 'QEMU', address: 'qemu:///system' };
  await finishFileBackup(
    destination,
    {
      ...{ everthawVersion: '0.1.0', runId, workflowId: 'w', host, vm, consistency: 'filesystem' },
      ...{ pointInTime: pointInTime.toISOString(), transport: { mode: 'nbd', via: 'export' } },
    },
    made,
  );
  await destination.disown();
  return { ...made.content, lastLines: made.lastLines, directory };
}

/** A tree that is a volume by itself. */
export function volumeAt(directory: string, name: string, id = `scsi0:0/${name.length}`): ModuleVolume {
  return { id, name, directory };
}
