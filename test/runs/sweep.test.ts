import { rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stateDirectories } from '../../src/config/directories.js';
import { readSettings } from '../../src/config/settings.js';
import { HostRegister } from '../../src/hosts/register.js';
import { Secret } from '../../src/hosts/secret.js';
import { until } from '../../src/system/until.js';
import { makeDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import type { Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

/** A server deletes a run behind its close task, whose end it notes every 30 s; and it may find that it looked too early. */
const FORGETTING_MS = 90_000;

let lab: Lab;

beforeAll(async () => {
  const disk = await makeDisk('system', 256, 24);
  lab = await Lab.start([{ name: 'web', disks: [{ ...disk, unit: 0 }] }], labTemporal());
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  await rm(lab.directoryOf('web'), { recursive: true, force: true });
  expect(await leftovers(lab)).toEqual([]);
});

/** A backup in the middle of its disk, with all that it holds. */
function backUpHalfWay(...flags: readonly string[]): Promise<{ readonly ran: Promise<Ran> }> {
  const path = flags.includes('nbdssl:datastore') ? '/folder' : '/nfc';
  return lab.holdDownload(path, lab.everthaw.backups, () => lab.backup('web', ...flags));
}

/** The same, terminated together with its worker: nobody lets go of anything. */
async function abandonBackup(...flags: readonly string[]): Promise<void> {
  const { ran } = await backUpHalfWay(...flags);
  await lab.everthaw.killWorker();
  await lab.client.workflow.getHandle(await lab.runOf('web')).terminate('the test');
  expect((await ran).code).toBe(1);
  await lab.vcenter.heal();
}

describe('a sweep', () => {
  for (const transport of ['nbdssl:lease', 'nbdssl:datastore'] as const) {
    it(`lets go of all that a terminated backup by ${transport} left, its login and the host’s password last`, async () => {
      await abandonBackup('--transport', transport);
      expect((await leftovers(lab)).join('\n')).toMatch(/note state\/hosts\/.*\/secret/);
      const swept = await lab.everthaw.everthaw('cleanup', '-y');
      expect(swept).toMatchObject({ code: 0, stderr: '' });
      expect(swept.stdout).toMatch(/let go: password of host .* \(terminated\)\)\n$/);
      await lab.everthaw.startWorker();
    });
  }

  it('lets go of what belongs to a run that its own server has forgotten', async () => {
    const workflowId = await lab.runOf('web');
    await abandonBackup();
    const { namespace } = labTemporal();
    await lab.client.workflowService.deleteWorkflowExecution({
      namespace,
      workflowExecution: { workflowId },
    });
    const handle = lab.client.workflow.getHandle(workflowId);
    const isForgotten = () =>
      handle.describe().then(
        () => false,
        () => true,
      );
    await until(isForgotten, AbortSignal.timeout(FORGETTING_MS));
    const swept = await lab.everthaw.everthaw('cleanup', '-y');
    expect(swept).toMatchObject({ code: 0, stderr: '' });
    expect(swept.stdout).toContain('is not known to its own cluster any more');
    await lab.everthaw.startWorker();
  }, 150_000);

  it('lets go of what a wedged run holds on the host past the maximum snapshot age, and of nothing else of it', async () => {
    const short = { EVERTHAW_MAXIMUM_SNAPSHOT_AGE_S: '6' };
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () =>
      lab.everthaw.everthawWith(short, 'backup', 'web', '--root', lab.everthaw.backups),
    );
    // It cannot give up by itself, and looks alive.
    await lab.everthaw.killWorker();
    const isOld = async (): Promise<boolean> =>
      (await lab.everthaw.everthaw('cleanup')).stdout.search(/release {2}\w+ {2}snapshot/) >= 0;
    await eventually(isOld);
    const swept = await lab.everthaw.everthaw('cleanup', '-y');
    expect(swept).toMatchObject({ code: 0, stderr: '' });
    expect(swept.stdout).toMatch(/let go: snapshot .* older than the maximum snapshot age/);
    expect(swept.stdout).toMatch(/let go: export lease .* older than the maximum snapshot age/);
    expect(swept.stdout).toMatch(/keep {5}\w+ {2}unfinished backup in .* is living/);
    expect(swept.stdout).toMatch(/keep {5}\w+ {2}password of host .* is living/);
    expect((await lab.vcenter.vm('web')).snapshots ?? []).toEqual([]);
    expect(await lab.vcenter.get('/leases')).toEqual([]);
    await lab.vcenter.heal();
    await lab.everthaw.startWorker();
    expect((await ran).code).toBe(1);
  });

  it('keeps what a run holds that was reset, and goes on under another id', async () => {
    const { ran } = await backUpHalfWay();
    const workflowId = await lab.runOf('web');
    const { namespace } = labTemporal();
    const { runId } = await lab.client.workflow.getHandle(workflowId).describe();
    const { history } = await lab.client.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution: { workflowId, runId },
    });
    const events = history?.events ?? [];
    const completed = events.findLast((event) => event.workflowTaskCompletedEventAttributes != null);
    await lab.client.workflowService.resetWorkflowExecution({
      namespace,
      workflowExecution: { workflowId, runId },
      reason: 'the test',
      requestId: 'reset',
      workflowTaskFinishEventId: completed?.eventId ?? null,
    });
    const kept = await lab.everthaw.everthaw('cleanup', '-y');
    expect(kept.stdout).toMatch(/keep {5}\w+ {2}snapshot .* is living/);
    expect(kept.stdout).not.toContain('let go:');
    await lab.vcenter.heal();
    await ran;
    const handle = lab.client.workflow.getHandle(workflowId);
    await eventually(async () => (await handle.describe()).status.name !== 'RUNNING');
    await lab.everthaw.everthaw('cleanup', '-y');
  });

  it('goes on where one host does not answer, says so, and counts as partial', async () => {
    await abandonBackup();
    const register = new HostRegister(stateDirectories(readSettings(lab.everthaw.environment)).hosts);
    const silent = { kind: 'vsphere', uuid: 'silent', address: '127.0.0.1', port: 1, username: 'a' } as const;
    await register.lend(silent, new Secret('a'), 'loan');
    const swept = await lab.everthaw.everthaw('cleanup', '-y');
    expect(swept.code).toBe(3);
    expect(swept.stdout).toMatch(/unseen {3}look at host 127.0.0.1: log in to "127.0.0.1"/);
    expect(swept.stdout).toContain('let go: snapshot');
    expect((await lab.vcenter.vm('web')).snapshots ?? []).toEqual([]);
    await register.settle('silent', 'loan');
    expect(await lab.everthaw.everthaw('cleanup', '-y')).toMatchObject({ code: 0, stderr: '' });
    await lab.everthaw.startWorker();
  });

  it('keeps the host’s password while one kind of things cannot be listed, but lets go of the others', async () => {
    await abandonBackup();
    await lab.vcenter.fault({ method: 'CreateContainerView', fault: 'SystemError' });
    const swept = await lab.everthaw.everthaw('cleanup', '-y');
    expect(swept.code).toBe(3);
    expect(swept.stdout).toMatch(/unseen {3}list things of kind (snapshot|halfRestoredVm)/);
    expect(swept.stdout).toContain('let go: export lease');
    expect(swept.stdout).toMatch(/not let go: password of host .*: whether something of its run is left/);
    await lab.vcenter.heal();
    expect(await lab.everthaw.everthaw('cleanup', '-y')).toMatchObject({ code: 0, stderr: '' });
    await lab.everthaw.startWorker();
  });

  it('ends what a clean-up left that was killed', async () => {
    const hosts = stateDirectories(readSettings(lab.everthaw.environment)).hosts;
    const entry = { kind: 'vsphere', uuid: 'other', address: '127.0.0.1', port: 1, username: 'a' } as const;
    await new HostRegister(hosts).lend(entry, new Secret('a'), 'command.1.1');
    const swept = await lab.everthaw.everthaw('cleanup', '-y');
    expect(swept.stdout).toContain('the command that it was lent to is dead');
    await new HostRegister(hosts).settle('other', 'command.1.1');
  });
});
