import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { installed } from '../lab/historic.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { run } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';
import { CTRL_C, Terminal } from '../lab/terminal.js';

let lab: Lab;
let system: LabDisk;

beforeAll(async () => {
  system = await makeDisk('system', 256, 24);
  const data = await makeDisk('data', 64, 8);
  lab = await Lab.start(
    [
      { name: 'db', disks: [{ ...system, unit: 0 }] },
      {
        name: 'two',
        disks: [
          { ...system, unit: 0 },
          { ...data, unit: 1 },
        ],
      },
    ],
    labTemporal(),
  );
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  await run('rm', ['-rf', lab.directoryOf('db'), lab.directoryOf('two')]);
  expect(await leftovers(lab)).toEqual([]);
});

/** A command at a terminal. */
function typed(...words: readonly string[]): Terminal {
  const { program, environment } = lab.everthaw;
  return new Terminal(['exec', process.execPath, program, ...words].join(' '), environment);
}

/** A backup at a terminal, in the middle of the download of its first disk. */
async function heldAtTerminal(vm: string, path: '/nfc' | '/folder', ...flags: string[]): Promise<Terminal> {
  const root = lab.everthaw.backups;
  const { ran } = await lab.holdDownload(path, root, () => typed('backup', vm, '--root', root, ...flags));
  return ran;
}

async function goOn(): Promise<void> {
  await lab.vcenter.control('DELETE', '/traffic');
}

/** Whether a run of this VM is living. */
async function isLiving(vm: string): Promise<boolean> {
  const { status } = await lab.client.workflow.getHandle(await lab.runOf(vm)).describe();
  return status.name === 'RUNNING';
}

const BAR = String.raw`\[=*-*\]`;

describe('on a terminal', () => {
  it('a backup shows a bar for each disk with bytes, rate and time left, and one for all of them', async () => {
    const terminal = await heldAtTerminal('two', '/folder', '--transport', 'nbdssl:datastore');
    const first = `disk scsi0:0 ${BAR} \\d+% [\\d.]+ [KM]iB of 256 MiB, .*/s, .* left`;
    const all = `in all ${BAR} \\d+% [\\d.]+ [KM]iB of 320 MiB, .*/s, .* left`;
    await terminal.until(new RegExp(`${first}[^]*${all}`));
    await goOn();
    expect(await terminal.end()).toBe(0);
    expect(terminal.lines()).toEqual([
      expect.stringMatching(/^backup of "two" to .* started as vm\//),
      `disk scsi0:0 [${'='.repeat(30)}] done, 256 MiB`,
      `disk scsi0:1 [${'='.repeat(30)}] done, 64 MiB`,
      `in all [${'='.repeat(30)}] done, 320 MiB`,
      expect.stringMatching(/^backup succeeded: /),
      ...Array<unknown>(4).fill(expect.any(String)),
    ]);
  });

  it('a stream of unknown length has neither a percentage nor a time left, nor have all together', async () => {
    const terminal = await heldAtTerminal('two', '/nfc');
    await terminal.until(
      /disk scsi0:0 \[disk of 256 MiB, compressed +\] [\d.]+ [KM]iB so far, .*\/s[^]*in all \[0 of 2 disks done +\] .* so far/,
    );
    await lab.vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 3_000_000 });
    await terminal.until(/\[1 of 2 disks done/);
    await goOn();
    expect(await terminal.end()).toBe(0);
    expect(terminal.shown).not.toMatch(/%| left/);
  });

  it('a restore shows a bar for each disk that is uploaded, and one for all of them', async () => {
    await lab.backup('two');
    await lab.vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 1_000_000 });
    const terminal = typed('restore', lab.directoryOf('two'), '--name', 'copy');
    await terminal.until(
      new RegExp(`upload scsi0-0.vmdk ${BAR} .*[KM]iB/s, \\d+ s left[^]*in all ${BAR} .*, \\d+ s left`),
    );
    expect(await terminal.end()).toBe(0);
    const full = new RegExp(`^(disk|upload .*|in all) ${BAR} done, [\\d.]+ MiB$`);
    expect(terminal.lines().filter((line) => full.test(line))).toHaveLength(3);
    await lab.vcenter.govc('vm.destroy', 'copy');
  });

  it('a run whose host does not answer says so, and that it tries again', async () => {
    const terminal = await heldAtTerminal('db', '/folder', '--transport', 'nbdssl:datastore');
    await lab.vcenter.control('POST', '/outage', { on: true });
    await terminal.until(/transfer: [^]*transfer is tried again …/);
    await lab.vcenter.control('POST', '/outage', { on: false });
    await goOn();
    expect(await terminal.end()).toBe(0);
  });
});

describe('Ctrl-C on a terminal asks once', () => {
  it('and cancels the run: it waits until all is let go, says what, and nothing is left over', async () => {
    const terminal = await heldAtTerminal('db', '/nfc');
    await terminal.until(/so far/);
    terminal.type(CTRL_C);
    await terminal.until(/\[c\]ancel the run, \[s\]top watching \(it goes on\), or go on \[w\]atching\? $/);
    terminal.type('c');
    expect(await terminal.end()).toBe(130);
    expect(terminal.lines().slice(-2)).toEqual([
      expect.stringMatching(/^disk scsi0:0 \[.*\] .* so far, not finished$/),
      'everthaw: the run is cancelled. Let go, and seen to be gone: export lease, unfinished backup, snapshot, login session',
    ]);
    expect(await isLiving('db')).toBe(false);
    expect(await leftovers(lab)).toEqual([]);
  });

  it('or stops watching: the run goes on, and everthaw watch follows it to its success', async () => {
    const terminal = await heldAtTerminal('db', '/nfc');
    await terminal.until(/so far/);
    terminal.type(CTRL_C);
    await terminal.until(/atching\? $/);
    terminal.type('s');
    expect(await terminal.end()).toBe(130);
    expect(terminal.lines().at(-1)).toMatch(/stopped watching; the run goes on/);
    const watcher = typed('watch', 'db');
    await watcher.until(/disk scsi0:0 \[.*\] .* so far/);
    await goOn();
    expect(await watcher.end()).toBe(0);
    expect(watcher.shown).toContain('"state": "succeeded"');
    expect(await lab.diskIn(lab.directoryOf('db'))).toBe(await sha256(system.raw));
  });

  it('or goes on watching, and is asked anew by the next', async () => {
    const terminal = await heldAtTerminal('db', '/nfc');
    await terminal.until(/so far/);
    terminal.type(CTRL_C);
    const asked = await terminal.until(/atching\? $/);
    // Nothing is written over the question, and what is no answer is none.
    terminal.type('x');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(terminal.shown.length).toBe(asked);
    terminal.type('w');
    const watched = await terminal.until(/so far/, asked);
    terminal.type(CTRL_C);
    await terminal.until(/atching\? $/, watched);
    terminal.type('w');
    await goOn();
    expect(await terminal.end()).toBe(0);
  });

  it('and one more while it is asked stops watching', async () => {
    const terminal = await heldAtTerminal('db', '/nfc');
    await terminal.until(/so far/);
    terminal.type(CTRL_C);
    await terminal.until(/atching\? $/);
    terminal.type(CTRL_C);
    expect(await terminal.end()).toBe(130);
    expect(await isLiving('db')).toBe(true);
    await goOn();
    expect(await lab.everthaw.everthaw('watch', 'db')).toMatchObject({ code: 0 });
  });

  it('and a run that ends while it is asked is told as if it had not been', async () => {
    const terminal = await heldAtTerminal('db', '/nfc');
    await terminal.until(/so far/);
    terminal.type(CTRL_C);
    await terminal.until(/atching\? $/);
    await goOn();
    expect(await terminal.end()).toBe(0);
    expect(terminal.lines().join('\n')).toContain('backup succeeded');
  });

  it('of pre-command too, whose output goes elsewhere', async () => {
    const installPath = await installed(lab, 'TRANSPORT_MODE="nbdssl";');
    const program = lab.everthaw.program.replace(/main\.js$/, 'preCommand.js');
    const words = `exec ${process.execPath} ${program} ${installPath} db image > ${installPath}/said`;
    const { ran: terminal } = await lab.holdDownload(
      '/nfc',
      lab.everthaw.backups,
      () => new Terminal(words, lab.everthaw.environment),
    );
    await terminal.until(/so far/);
    terminal.type(CTRL_C);
    await terminal.until(/atching\? $/);
    terminal.type('c');
    expect(await terminal.end()).toBe(130);
    expect(terminal.lines().at(-1)).toMatch(/the run is cancelled\. Let go, and seen to be gone: .*snapshot/);
  });
});

it.each(['SIGINT', 'SIGTERM'] as const)('without a terminal %s only stops watching', async (signal) => {
  const { program, environment, backups } = lab.everthaw;
  let said = '';
  const { ran: watcher } = await lab.holdDownload('/nfc', backups, () => {
    const child = spawn(process.execPath, [program, 'backup', 'db', '--root', backups], {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += String(text)));
    return child;
  });
  await eventually(() => said.includes('so far'));
  watcher.kill(signal);
  expect(await once(watcher, 'close')).toEqual([130, null]);
  expect(said).toContain('everthaw: stopped watching; the run goes on.');
  expect(await isLiving('db')).toBe(true);
  await goOn();
  expect(await lab.everthaw.everthaw('watch', 'db')).toMatchObject({ code: 0 });
});
