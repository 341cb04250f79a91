import { writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { jobWorkflowId } from '../../src/domain/names.js';
import type { Lab } from '../lab/lab.js';
import type { Ran } from '../lab/run.js';
import { JobsLab, type Listed } from './jobsLab.js';

let jobsLab: JobsLab;
let lab: Lab;
let config: string;
let job: string;
let root: string;

beforeAll(async () => {
  jobsLab = await JobsLab.start([]);
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

describe('applying jobs', () => {
  it('shows what would change, changes that and nothing else, and removes what is gone', async () => {
    await applied({ cron: '0 1 * * *', timeZone: 'Europe/Berlin' });
    expect((await jobs('apply', '--dry-run')).stdout).toMatch(new RegExp(`keep +${job}`));
    const { next = '' } = (await listed()) ?? {};
    expect(new Date(next).getUTCMinutes()).toBe(0);
    await write({ [job]: { vms: ['name:web'], root, cron: '30 2 * * 1-5' } });
    const shown = await jobs('apply', '--dry-run');
    expect(shown.stdout).toMatch(new RegExp(`change +${job} +vms, settings, schedule`));
    expect((await listed())?.state).toBe('scheduled, changed in everthaw.yaml');
    expect(await jobs('apply', '--yes')).toMatchObject({ code: 0 });
    expect((await jobs('next', job)).stdout).toMatch(/T\d\d:30:00/);
    await write({});
    expect((await jobs('apply', '--yes')).stdout).toMatch(new RegExp(`remove +${job}`));
    expect(await listed()).toBeUndefined();
  });

  it('tells what was edited elsewhere, and puts it right', async () => {
    await applied({ cron: '0 1 * * *' });
    const schedule = lab.client.schedule.getHandle(jobWorkflowId(job));
    await schedule.update(({ action, policies, state }) => ({
      ...{ action: action, policies, state },
      spec: { intervals: [{ every: '1 day' }] },
    }));
    expect((await listed())?.state).toBe('scheduled, edited elsewhere');
    expect((await jobs('apply', '--yes')).stdout).toContain('it was edited elsewhere');
    expect((await listed())?.state).toBe('scheduled');
  });

  it('leaves a job alone that was applied from elsewhere', async () => {
    await applied({});
    const elsewhere = { EVERTHAW_PROXY: 'another' };
    const ran = await lab.everthaw.everthawWith(elsewhere, 'jobs', 'apply', '--yes');
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain('name this one otherwise');
    await writeFile(config, '');
    await lab.everthaw.everthawWith(elsewhere, 'jobs', 'apply', '--yes');
    expect((await listed())?.state).toBe('by hand, no longer in everthaw.yaml');
  });

  it.each([
    [{ vms: [] }, 'a list with at least one choice of VMs'],
    [{ vms: ['nam:db'] }, 'jobs.x.vms.0 is "nam:db"'],
    [{ vms: ['any:'], cron: 'at night' }, 'cron’s five fields'],
    [{ vms: ['any:'], kep: { last: 1 } }, 'did you mean keep?'],
    [{ vms: ['any:'], keep: { dayly: 1 } }, 'did you mean daily?'],
    [{ vms: ['any:'], keep: { within: '14' } }, 'hours, days or weeks'],
    [{ vms: ['any:'], files: { module: 'zip' } }, 'one of tar, restic, rclone, command'],
  ])('refuses %j with the line, and says what is allowed', async (written, said) => {
    await write({ x: written });
    const ran = await jobs('apply', '--dry-run');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(said);
    expect(ran.stderr).toContain(`${config}:`);
  });

  it('says of a cron line that the server does not understand which job has it', async () => {
    await write({ x: { vms: ['any:'], cron: '99 1 * * *' } });
    const ran = await jobs('apply', '--yes');
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('not applied: x: Minute is not in range [0-59]');
  });
});
