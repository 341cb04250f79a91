import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { JobResult } from '../../src/domain/jobs.js';
import { jobStarterId, jobWorkflowId } from '../../src/domain/names.js';
import { connectClient } from '../../src/temporal/client.js';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { LabEverthaw } from '../lab/everthaw.js';
import type { Lab } from '../lab/lab.js';
import { eventually } from '../lab/lab.js';
import type { Ran } from '../lab/run.js';
import { CTRL_C, Terminal } from '../lab/terminal.js';
import { LabTemporalServer } from '../lab/temporalServer.js';
import { JobsLab, type Listed } from './jobsLab.js';

const NAMES = ['db-1', 'db-2', 'web'] as const;

let disk: LabDisk;
let jobsLab: JobsLab;
let lab: Lab;
let config: string;
let job: string;
let root: string;

beforeAll(async () => {
  disk = await makeDisk('system', 64, 24);
  jobsLab = await JobsLab.start(NAMES.map((name) => ({ name, disks: [{ ...disk, unit: 0 }] })));
  ({ lab, config } = jobsLab);
}, 120_000);

afterEach(() => jobsLab.clean());

afterAll(() => jobsLab.stop());

const jobs = (...words: readonly string[]): Promise<Ran> => jobsLab.jobs(...words);
const write = (all: object): Promise<void> => jobsLab.write(all);
const listed = (): Promise<Listed | undefined> => jobsLab.listed(job);

async function applied(more: object): Promise<void> {
  ({ job, root } = await jobsLab.apply(more));
}

async function ranWith(code: number, ...flags: readonly string[]): Promise<JobResult> {
  const ran = await jobs('run', job, '--json', ...flags);
  expect(ran).toMatchObject({ code, stderr: '' });
  return JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '') as JobResult;
}

const outcomesOf = ({ notable }: JobResult): readonly string[] =>
  notable.map(({ vm, state }) => `${vm.name} ${state}`);

const points = async (): Promise<readonly string[]> => (await readdir(root)).sort();

/** In the middle of its first download. */
async function heldJob(): Promise<{ readonly ran: Promise<Ran> }> {
  return lab.holdDownload('/nfc', root, () => jobs('run', job, '--json'));
}

/** Its next snapshot cannot be taken. */
const failing = (vm: string) =>
  lab.vcenter.fault({
    method: 'CreateSnapshot_Task',
    objectName: vm,
    fault: 'GenericVmConfigFault',
    count: 1,
  });

const goOn = () => lab.vcenter.control('DELETE', '/traffic');

describe('a job', () => {
  it('runs by its schedule, and each backup that it makes is whole', async () => {
    await applied({ cron: '@every 2s', parallel: 2, exclude: ['pattern:w*'] });
    await eventually(async () => (await listed())?.last?.state === 'succeeded');
    expect(await jobs('pause', job, '--because', 'seen')).toMatchObject({ code: 0 });
    expect((await listed())?.state).toBe('paused');
    await eventually(async () => (await listed())?.last?.state === 'succeeded');
    const made = await points();
    expect(new Set(made.map((name) => name.replace(/-\d+T\d+Z$/, '')))).toEqual(
      new Set(['db-1-fullVM', 'db-2-fullVM']),
    );
    for (const name of made) expect(await lab.diskIn(join(root, name))).toBe(await sha256(disk.raw));
  });

  it('looks its VMs up anew each time: by patterns, folders and specs, without what is excluded', async () => {
    await applied({ vms: ['pattern:db-?', 'name:web', 'name:gone'], exclude: ['name:db-2'] });
    const result = await ranWith(3);
    expect(result).toMatchObject({ state: 'partial', counts: { succeeded: 2, failed: 1 } });
    expect(outcomesOf(result)).toEqual(['name:gone failed']);
    await applied({ vms: ['folder:/DC0/vm'] });
    expect(await ranWith(0)).toMatchObject({ state: 'succeeded', counts: { succeeded: 3 } });
  });

  it('tells of each VM what became of it, and runs those alone that failed', async () => {
    await applied({ retries: 0 });
    await failing('db-2');
    const first = await ranWith(3);
    expect(first).toMatchObject({ state: 'partial', counts: { succeeded: 2, failed: 1 } });
    expect(outcomesOf(first)).toEqual(['db-2 failed']);
    expect(await ranWith(0, '--failed')).toMatchObject({ state: 'succeeded', counts: { succeeded: 1 } });
    expect(await points()).toHaveLength(3);
  });

  it('skips a VM that another run works on, and says so', async () => {
    await applied({});
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
    const only = { vms: ['name:web'] };
    await write({ [job]: { root, ...only } });
    await jobs('apply', '--yes');
    expect(outcomesOf(await ranWith(1))).toEqual(['web skipped']);
    await goOn();
    expect(await ran).toMatchObject({ code: 0 });
    expect(await points()).toEqual([]);
  });

  it('whose last run is living is skipped when its time comes, and stands in the list as that', async () => {
    await applied({ vms: ['name:web'] });
    const { ran } = await heldJob();
    expect((await jobs('run', job)).stderr).toContain('a run of it is living');
    await lab.client.schedule.getHandle(jobWorkflowId(job)).trigger();
    const skipped = `EverthawState = "skipped" AND EverthawJob = "${job}"`;
    await eventually(async () => (await lab.client.workflow.count(skipped)).count === 1);
    for await (const start of lab.client.workflow.list({ query: skipped })) {
      expect(start.workflowId).toContain(jobStarterId(job));
      expect(await lab.client.workflow.getHandle(start.workflowId).result()).toMatchObject({
        state: 'skipped',
      });
    }
    await goOn();
    expect(await ran).toMatchObject({ code: 0 });
    expect(await points()).toHaveLength(1);
  });

  it('that is cancelled cancels the runs of its VMs, which let go of everything, and begins no other', async () => {
    await applied({ parallel: 2 });
    const { ran } = await heldJob();
    expect(await jobs('cancel', job)).toMatchObject({ code: 0 });
    const ended = await ran;
    expect(ended.code).toBe(130);
    const result = JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '') as JobResult;
    expect(result).toMatchObject({ state: 'cancelled', counts: { cancelled: 3 } });
    expect(await points()).toEqual([]);
  });

  it('is cancelled by Ctrl-C too, where that is what is answered, and says what became of its VMs', async () => {
    await applied({ vms: ['name:web'] });
    const line = ['exec', process.execPath, lab.everthaw.program, 'jobs', 'run', `'${job}'`].join(' ');
    const start = () => new Terminal(line, lab.everthaw.environment);
    const { ran: terminal } = await lab.holdDownload('/nfc', root, start);
    await terminal.until(/0 of 1 VMs; now web/);
    terminal.type(CTRL_C);
    await terminal.until(/\[c\]ancel the run/);
    terminal.type('c');
    expect(await terminal.end()).toBe(130);
    expect(terminal.shown).toMatch(/web cancelled: .*\s+job cancelled: 1 cancelled, in /);
    expect(terminal.shown).not.toContain('before it could be cancelled');
    expect(await points()).toEqual([]);
  });

  it('one of whose VMs is cancelled goes on with the others', async () => {
    await applied({});
    const { ran } = await heldJob();
    expect(await lab.everthaw.everthaw('cancel', 'name:db-1')).toMatchObject({ code: 0 });
    await goOn();
    const ended = await ran;
    expect(ended.code).toBe(3);
    const result = JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '') as JobResult;
    expect(result).toMatchObject({ state: 'partial', counts: { succeeded: 2, cancelled: 1 } });
  });

  it('whose worker is killed goes on with the next one', async () => {
    await applied({ parallel: 2 });
    const { ran } = await heldJob();
    await lab.everthaw.killWorker();
    await lab.everthaw.startWorker();
    await goOn();
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
    for (const name of await points())
      expect(await lab.diskIn(join(root, name))).toBe(await sha256(disk.raw));
    expect(await points()).toHaveLength(3);
  });

  it('that is terminated leaves the runs of its VMs to end by themselves', async () => {
    await applied({ vms: ['name:web'] });
    const { ran } = await heldJob();
    await lab.client.workflow.getHandle(jobWorkflowId(job)).terminate('of the test');
    expect((await ran).code).toBe(1);
    await goOn();
    expect(await lab.client.workflow.getHandle(await lab.runOf('web')).result()).toMatchObject({
      state: 'succeeded',
    });
    expect(await points()).toHaveLength(1);
  });

  it('forgets what its rules do not keep, of its own VMs and only after a good backup', async () => {
    await applied({ keep: { last: 1 }, retries: 0 });
    await ranWith(0);
    const others = join(root, 'others');
    await lab.backup('web', '--to', others);
    const first = await points();
    await failing('db-2');
    const second = await ranWith(3);
    const left = await points();
    expect(second.forgotten.filter((line) => line.startsWith('forgotten: '))).toHaveLength(3);
    expect(left.filter((name) => name.startsWith('db-2'))).toEqual(
      first.filter((name) => name.startsWith('db-2')),
    );
    for (const name of ['db-1', 'web']) {
      const mine = left.filter((each) => each.startsWith(name));
      expect(mine).toHaveLength(1);
      expect(first).not.toContain(mine[0]);
      expect(await lab.diskIn(join(root, mine[0] ?? ''))).toBe(await sha256(disk.raw));
    }
  });

  it('is of the host that it names, and a run that cannot look up its VMs fails and says why', async () => {
    await applied({});
    const { EVERTHAW_HOST: address, EVERTHAW_PORT: port } = lab.vcenter.everthawEnvironment();
    const hosts = {
      right: { kind: 'vsphere', address, port: Number(port) },
      wrong: { kind: 'vsphere', address: 'no-such-host.invalid' },
    };
    for (const [host, code] of [
      ['wrong', 1],
      ['right', 0],
    ] as const) {
      const more = { vms: ['name:web'], root, host };
      await writeFile(config, stringify({ hosts, jobs: { [job]: more } }));
      await jobs('apply', '--yes');
      const ran = await jobs('run', job);
      expect(ran.code).toBe(code);
      if (host === 'wrong') {
        expect(ran.stderr).toContain('no-such-host.invalid');
        expect((await jobs('show', job)).stdout).toContain('no-such-host.invalid');
      }
    }
    expect(await points()).toHaveLength(1);
  });
});

describe('a job whose history grows long', () => {
  it('goes on in a new one, and tells of all its VMs at the end', async () => {
    const server = await LabTemporalServer.start(['limit.historyCount.suggestContinueAsNew=20']);
    const other = await LabEverthaw.create(
      { everthawEnvironment: () => ({ ...lab.vcenter.everthawEnvironment(), EVERTHAW_CONFIG: config }) },
      server.direct,
    );
    try {
      await other.startWorker();
      await write({ many: { vms: ['any:', 'name:gone'], root: other.backups, keep: { last: 1 } } });
      expect(await other.everthaw('jobs', 'apply', '--yes')).toMatchObject({ code: 0 });
      const ran = await other.everthaw('jobs', 'run', 'many', '--json');
      expect(ran).toMatchObject({ code: 3, stderr: '' });
      const result = JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '') as JobResult;
      expect(result).toMatchObject({ counts: { succeeded: 3, failed: 1 }, forgotten: [] });
      expect(outcomesOf(result)).toEqual(['name:gone failed']);
      const client = await connectClient(server.direct);
      const runs = `WorkflowId = "${jobWorkflowId('many')}" AND ExecutionStatus = "ContinuedAsNew"`;
      await eventually(async () => (await client.workflow.count(runs)).count > 0);
      await client.connection.close();
      expect(await readdir(other.backups)).toHaveLength(3);
    } finally {
      await other.remove();
      await server.stop();
    }
  });
});
