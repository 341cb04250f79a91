import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { armSwitch, disarmSwitch } from '../../src/hosts/libvirt/guest/deadMansSwitch.js';
import { readyFreeze } from '../../src/hosts/libvirt/guest/freeze.js';
import { GuestAgent } from '../../src/hosts/libvirt/guest/guestAgent.js';
import { holdPath, writeRecords } from '../../src/hosts/libvirt/snapshot/holdDirectory.js';
import { localShell, type HostShell } from '../../src/system/hostShell.js';
import { LibvirtGuest } from '../../src/hosts/libvirt/guest/libvirtGuest.js';
import { commitSnapshot, listSnapshots } from '../../src/hosts/libvirt/snapshot/snapshots.js';
import { lookAt } from '../../src/hosts/libvirt/snapshot/vmLook.js';
import { LabGuest } from '../lab/guest.js';
import { LabLibvirt } from '../lab/libvirt.js';
import { closeDrivers, driverOn, newRunId, NEVER, take, traces } from './libvirtDriver.js';

let lab: LabLibvirt;
let vm: LabGuest;

beforeAll(async () => {
  lab = await LabLibvirt.start();
  vm = await LabGuest.start(lab, { name: 'asked' });
}, 300_000);

afterEach(async () => {
  expect(await traces(vm)).toEqual([]);
});

afterAll(async () => {
  await closeDrivers();
  await lab.stop();
});

describe('the freeze scripts', () => {
  const guestOf = (settings = {}) => new LibvirtGuest(driverOn(lab, settings));
  const request = () => ({ runId: newRunId(), description: 'whose it is' });

  it('pause the application, which is owed until it was resumed', async () => {
    const asked = request();
    await vm.startWriter();
    expect(await guestOf().pauseApplication(vm.uuid, asked, NEVER)).toMatchObject({ exitCode: 0 });
    expect(await vm.isWriting()).toBe(false);
    expect(await guestOf().debts()).toEqual([
      { kind: 'pausedApplication', vmUuid: vm.uuid, vmName: vm.name, description: 'whose it is' },
    ]);
    expect(await guestOf().absence('pausedApplication', vm.uuid, asked.runId)).toMatchObject({
      state: 'present',
    });
    expect(await guestOf().absence('freeze', vm.uuid, asked.runId)).toEqual({ state: 'gone' });
    // A paused application is no snapshot.
    expect(await listSnapshots(driverOn(lab), vm.uuid)).toEqual([]);
    expect(await guestOf().resumeApplication(vm.uuid, 'another-run')).toBeUndefined();
    expect(await guestOf().resumeApplication(vm.uuid, asked.runId)).toMatchObject({ exitCode: 0 });
    await expect.poll(() => vm.isWriting()).toBe(true);
    await vm.stopWriter();
    expect(await guestOf().absence('pausedApplication', vm.uuid, asked.runId)).toEqual({ state: 'gone' });
    expect(await guestOf().resumeApplication(vm.uuid, asked.runId)).toBeUndefined();
  });

  it('fail with exit code and output, and post-thaw is owed all the same', async () => {
    const asked = request();
    await vm.tellPreFreeze({ exit: 3, output: 'the database is in recovery' });
    await vm.tellPostThaw({ exit: 4, output: 'could not resume' });
    await expect(guestOf().pauseApplication(vm.uuid, asked, NEVER)).rejects.toMatchObject({
      code: 'FreezeScriptFailed',
      message: expect.stringMatching(
        /pre-freeze-script in VM "asked": it ended with 3: the database is in recovery/,
      ) as string,
    });
    expect(await guestOf().resumeApplication(vm.uuid, asked.runId)).toEqual({
      exitCode: 4,
      output: 'could not resume',
    });
    expect(await guestOf().debts()).toEqual([]);
    await vm.tellPreFreeze('ok');
    await vm.tellPostThaw('ok');
  });

  it('are stopped when they hang', async () => {
    const asked = request();
    const guest = guestOf({ scriptTimeoutMs: 500 });
    await vm.tellPreFreeze('hang');
    await expect(guest.pauseApplication(vm.uuid, asked, NEVER)).rejects.toMatchObject({
      code: 'FreezeScriptFailed',
      why: expect.stringContaining('did not end within 0.5 s and was stopped') as string,
    });
    expect(processesOf(vm)).not.toContain('sleep 100000');
    await vm.tellPreFreeze('ok');
    expect(await guest.resumeApplication(vm.uuid, asked.runId)).toMatchObject({ exitCode: 0 });
  });

  it('are paused again only when an earlier pre-freeze, whose caller died, has ended', async () => {
    const asked = request();
    await vm.tellPreFreeze('hang');
    const first = guestOf()
      .pauseApplication(vm.uuid, asked, NEVER)
      .catch((error: unknown) => error);
    await expect.poll(() => processesOf(vm), { timeout: 10_000 }).toContain('sleep 100000');
    await vm.tellPreFreeze('ok');
    const successor = guestOf({ scriptTimeoutMs: 2000 });
    expect(await successor.pauseApplication(vm.uuid, asked, NEVER)).toMatchObject({ exitCode: 0 });
    expect(await first).toMatchObject({ code: 'FreezeScriptFailed' });
    expect(processesOf(vm)).not.toContain('sleep 100000');
    expect(await successor.resumeApplication(vm.uuid, asked.runId)).toMatchObject({ exitCode: 0 });
  });

  it('resume only when a pre-freeze that still runs was ended', async () => {
    const asked = request();
    await vm.tellPreFreeze('hang');
    const first = guestOf()
      .pauseApplication(vm.uuid, asked, NEVER)
      .catch((error: unknown) => error);
    await expect.poll(() => processesOf(vm), { timeout: 10_000 }).toContain('sleep 100000');
    expect(await guestOf().resumeApplication(vm.uuid, asked.runId)).toMatchObject({ exitCode: 0 });
    expect(processesOf(vm)).not.toContain('sleep 100000');
    expect(await first).toMatchObject({ code: 'FreezeScriptFailed' });
    await vm.tellPreFreeze('ok');
  });

  it('that are not executable are told as that, and nothing is owed', async () => {
    await vm.exec('chmod', '644', '/usr/sbin/freeze-script');
    await expect(guestOf().pauseApplication(vm.uuid, request(), NEVER)).rejects.toMatchObject({
      code: 'FreezeScriptFailed',
      why: expect.stringContaining('not executable') as string,
    });
    await vm.exec('chmod', '755', '/usr/sbin/freeze-script');
    expect(await guestOf().debts()).toEqual([]);
  });

  it('stay owed to a guest whose memory was saved', async () => {
    const asked = request();
    await guestOf().pauseApplication(vm.uuid, asked, NEVER);
    await vm.libvirt.virsh('managedsave', vm.name);
    await expect(guestOf().resumeApplication(vm.uuid, asked.runId)).rejects.toMatchObject({
      code: 'QuiesceFailed',
      why: expect.stringContaining('memory is saved') as string,
    });
    await vm.libvirt.virsh('start', vm.name);
    await vm.untilItAnswers();
    expect(await guestOf().resumeApplication(vm.uuid, asked.runId)).toMatchObject({ exitCode: 0 });
    expect(await guestOf().debts()).toEqual([]);
  });

  it('owe nothing to a guest that was started anew, or that has none', async () => {
    const asked = request();
    await guestOf().pauseApplication(vm.uuid, asked, NEVER);
    const before = await vm.trace();
    await vm.powerOff();
    expect(await guestOf().resumeApplication(vm.uuid, asked.runId)).toBeUndefined();
    expect(await guestOf().debts()).toEqual([]);
    expect(before.map(({ script }) => script)).toContain('pre-freeze-script');
    expect(await guestOf().pauseApplication(vm.uuid, asked, NEVER)).toBeUndefined();
    await vm.destroy();
    vm = await LabGuest.start(lab, { name: 'asked' });
    await vm.exec('rm', '/usr/sbin/pre-freeze-script');
    expect(await guestOf().pauseApplication(vm.uuid, asked, NEVER)).toBeUndefined();
    expect(await guestOf().answers(vm.uuid)).toBe(true);
  });
});

describe('the dead man’s switch', () => {
  it('lets the guest go within ten seconds when everybody outside is dead, and the debt is found and paid', async () => {
    const driver = driverOn(lab);
    const runId = newRunId();
    const hold = holdPath(vm.directory, vm.uuid, runId);
    await vm.startWriter(50);
    const owner = { vmUuid: vm.uuid, vmName: vm.name, runId, description: 'a dead run' };
    await writeRecords(driver.virsh, hold, { owner });
    await readyFreeze(driver, hold, await lookAt(driver.virsh, vm.uuid), new Date());
    const frozenAt = Date.now();
    await vm.libvirt.virsh('domfsfreeze', vm.name);
    expect(await vm.isFrozen()).toBe(true);
    await expect.poll(() => vm.isFrozen(), { timeout: 15_000, interval: 100 }).toBe(false);
    expect(Date.now() - frozenAt).toBeLessThan(10_000);
    // The agent has not heard of it, and refuses to run anything.
    expect(await vm.isFrozenByAgent()).toBe(true);
    const guest = new LibvirtGuest(driverOn(lab));
    expect(await guest.answers(vm.uuid)).toBe(true);
    expect(await guest.debts()).toMatchObject([{ kind: 'freeze', description: 'a dead run' }]);
    await guest.thaw(vm.uuid, runId);
    expect(await guest.absence('freeze', vm.uuid, runId)).toEqual({ state: 'gone' });
    expect(await vm.isWriting()).toBe(true);
    await vm.stopWriter();
  });

  it('of an earlier run never lets a later freeze go', async () => {
    const agent = new GuestAgent(driverOn(lab).virsh, vm.uuid);
    await armSwitch(agent, 'nonce-2', 1);
    await armSwitch(agent, 'nonce-3', 60);
    await vm.libvirt.virsh('domfsfreeze', vm.name);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(await vm.isFrozen()).toBe(true);
    expect(await vm.libvirt.virsh('domfsthaw', vm.name)).toContain('Thawed 2');
    expect(await disarmSwitch(agent, 'nonce-3')).toEqual({ hadFired: false });
    expect(processesOf(vm)).not.toContain('nonce-3');
  });

  it('that had to act makes the point in time crash-consistent, with a warning', async () => {
    const driver = driverOn(lab, { switchSeconds: 1 }, slowTo('backup-begin', 3));
    const taken = await take(driver, vm);
    expect(taken.snapshot).toMatchObject({ quiesced: false, complete: true });
    expect(taken.warnings.join()).toContain('crash-consistent');
    await commitSnapshot(driver, vm.uuid, taken.snapshot.id);
  });
});

describe('a guest that cannot be frozen', () => {
  it('gets no snapshot, and is left alone', async () => {
    const driver = driverOn(lab);
    await vm.libvirt.virsh('domfsfreeze', vm.name);
    await expect(take(driver, vm)).rejects.toMatchObject({
      code: 'QuiesceFailed',
      why: expect.stringContaining('frozen already') as string,
    });
    // Somebody else’s freeze is not ours to end.
    expect(await vm.isFrozenByAgent()).toBe(true);
    await vm.libvirt.virsh('domfsthaw', vm.name);
  });

  it('is let go when the point in time cannot be taken', async () => {
    const driver = driverOn(lab, {}, failing('backup-begin'));
    await expect(take(driver, vm)).rejects.toMatchObject({ code: 'HostFault' });
    expect(await listSnapshots(driver, vm.uuid)).toEqual([]);
  });

  it('is refused where no switch can be armed in it, unless that is allowed', async () => {
    await vm.exec('mount', '-o', 'remount,ro', '/run');
    await expect(take(driverOn(lab), vm)).rejects.toMatchObject({
      code: 'QuiesceFailed',
      why: expect.stringContaining('Read-only file system') as string,
    });
    const allowed = driverOn(lab, { freezeUnguarded: true });
    const taken = await take(allowed, vm);
    expect(taken.snapshot.quiesced).toBe(true);
    await commitSnapshot(allowed, vm.uuid, taken.snapshot.id);
    await vm.exec('mount', '-o', 'remount,rw', '/run');
  });
});

async function processesOf(guest: LabGuest): Promise<string> {
  return (await guest.exec('sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "')).stdout;
}

/** This machine, with a virsh that waits before some command, as a host under load does. */
function slowTo(command: string, seconds: number): HostShell {
  return withVirsh(`case "$*" in *${command}*) sleep ${seconds} ;; esac; exec "$virsh" "$@"`);
}

function failing(command: string): HostShell {
  return withVirsh(
    `case "$*" in *${command}*) set -- "$1" "$2" "$(echo "$3" | sed 's/^${command}/${command} --no-such/')" ;; esac; exec "$virsh" "$@"`,
  );
}

/** A `virsh` of our own in front of the real one, for scripts too: it is a function of the shell that they run in. */
function withVirsh(body: string): HostShell {
  const shim = `virsh=$(command -v virsh); mkdir -p "$1"; printf '#!/bin/sh\\nvirsh=%s\\n%s\\n' "$virsh" "$2" > "$1/virsh"; chmod 755 "$1/virsh"; shift 2; PATH=$shim:$PATH exec "$@"`;
  const directory = `${lab.directory}/shim-${newRunId()}`;
  return {
    ...localShell,
    run: (program, args, options) =>
      localShell.run('sh', ['-c', `shim=$1; ${shim}`, 'sh', directory, body, program, ...args], options),
  };
}
