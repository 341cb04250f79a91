import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import type { Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';
import type { LabVm } from '../lab/vcenter.js';

/** A job as `everthaw jobs list --json` has it. */
export interface Listed {
  readonly job: string;
  readonly state: string;
  readonly next?: string;
  readonly last?: { readonly state: string };
}

/** A lab whose everthaw.yaml has the jobs of a test. */
export class JobsLab {
  readonly lab: Lab;
  /** Its everthaw.yaml. */
  readonly config: string;
  #count = 0;

  private constructor(lab: Lab, config: string) {
    this.lab = lab;
    this.config = config;
  }

  static async start(vms: readonly LabVm[]): Promise<JobsLab> {
    const config = join(await mkdtemp(join(tmpdir(), 'everthaw-jobs-')), 'everthaw.yaml');
    await writeFile(config, '');
    return new JobsLab(await Lab.start(vms, labTemporal(), [], { EVERTHAW_CONFIG: config }), config);
  }

  async stop(): Promise<void> {
    await this.lab.stop();
    await rm(dirname(this.config), { recursive: true, force: true });
  }

  readonly jobs = (...words: readonly string[]): Promise<Ran> => this.lab.everthaw.everthaw('jobs', ...words);

  readonly write = (all: object): Promise<void> => writeFile(this.config, stringify({ jobs: all }));

  /** Applies one job, with a root of its own. Its id is the server's, which other tests use, too. */
  async apply(more: object): Promise<{ readonly job: string; readonly root: string }> {
    const job = `job ${this.lab.everthaw.directory.slice(-6)} ${++this.#count}`;
    const root = join(this.lab.everthaw.backups, String(this.#count));
    await mkdir(root);
    await this.write({ [job]: { vms: ['any:'], root, ...more } });
    expect(await this.jobs('apply', '--yes')).toMatchObject({ code: 0, stderr: '' });
    return { job, root };
  }

  async listed(job: string): Promise<Listed | undefined> {
    const { stdout } = await this.jobs('list', '--json');
    const all = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Listed);
    return all.find((each) => each.job === job);
  }

  /** Nothing is left over, neither of the jobs nor of what they did. */
  async clean(): Promise<void> {
    await this.lab.vcenter.heal();
    await this.write({});
    await this.jobs('apply', '--yes');
    expect(await leftovers(this.lab)).toEqual([]);
  }
}
