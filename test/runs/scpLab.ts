import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { until } from '../../src/system/until.js';
import { makeDisk, type LabDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import type { Ran } from '../lab/run.js';
import { LabSshd } from '../lab/sshd.js';
import { labTemporal } from '../lab/temporal.js';

const LINGER_MS = 20_000;

/** A lab that keeps its backups on another machine: VM `web` with one disk, VM `db` with two. */
export class ScpLab {
  readonly lab: Lab;
  readonly sshd: LabSshd;
  /** The only disk of `web`. */
  readonly system: LabDisk;
  /** The directory of backups on the other machine. */
  readonly far: string;

  private constructor(lab: Lab, sshd: LabSshd, system: LabDisk) {
    this.lab = lab;
    this.sshd = sshd;
    this.system = system;
    this.far = join(lab.everthaw.directory, 'far');
  }

  static async start(): Promise<ScpLab> {
    const system = await makeDisk('system', 256, 24);
    const data = await makeDisk('data', 64, 8);
    const sshd = await LabSshd.start();
    const disks = [
      { ...system, unit: 0 },
      { ...data, unit: 1 },
    ];
    const vms = [
      { name: 'web', disks: disks.slice(0, 1) },
      { name: 'db', disks },
    ];
    const scpLab = new ScpLab(await Lab.start(vms, labTemporal(), [], sshd.environment), sshd, system);
    await mkdir(scpLab.far);
    return scpLab;
  }

  async stop(): Promise<void> {
    await this.lab.stop();
    await this.sshd.stop();
  }

  readonly backup = (vm: string, path: string, ...flags: readonly string[]): Promise<Ran> =>
    this.lab.backup(vm, '--to', this.sshd.scpUrl(path), ...flags);

  /** The shared connection is kept for 5 s; nothing else leads to the other machine. */
  async disconnected(): Promise<void> {
    await until(async () => (await this.sshd.connections()).length === 0, AbortSignal.timeout(LINGER_MS));
  }

  /** On this side and on the other. */
  async nothingIsLeft(): Promise<void> {
    let left: readonly string[] = [];
    const look = async (): Promise<boolean> => {
      left = [
        ...(await leftovers(this.lab)),
        ...this.sshd.remotePrograms(),
        ...(await readdir(this.far)).filter((name) => /\.(partial|gone|attempt)/.test(name)),
      ];
      return left.length === 0;
    };
    await until(look, AbortSignal.timeout(LINGER_MS)).catch(() => undefined);
    expect(left).toEqual([]);
  }
}

/** What a backup's manifest says that its directory holds. */
export async function filesIn(directory: string): Promise<readonly string[]> {
  const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
  return [...manifest.files.map(({ path }) => path), 'manifest.json'].sort();
}
