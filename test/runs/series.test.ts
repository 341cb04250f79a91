import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { refusal } from '../lab/refusal.js';
import { labTemporal } from '../lab/temporal.js';
import { CTRL_C, Terminal } from '../lab/terminal.js';

const NAMES = ['a', 'b', 'c'] as const;
const PROGRAM = fileURLToPath(new URL('../../src/cli/vcbSnapAll.js', import.meta.url));

let lab: Lab;
let disk: LabDisk;
let root: string;

beforeAll(async () => {
  disk = await makeDisk('system', 64, 24);
  lab = await Lab.start(
    NAMES.map((name) => ({ name, disks: [{ ...disk, unit: 0 }] })),
    labTemporal(),
  );
}, 120_000);

beforeEach(async () => {
  root = await mkdtemp(join(lab.everthaw.backups, 'series-'));
});

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  expect(await leftovers(lab)).toEqual([]);
});

const words = (...flags: readonly string[]): readonly string[] => [
  PROGRAM,
  '-a',
  'any:',
  '-r',
  root,
  ...flags,
];

/** A series at a terminal, in the middle of its first downloads. */
async function held(...flags: readonly string[]): Promise<Terminal> {
  const line = ['exec', process.execPath, ...words(...flags)].join(' ');
  const { ran } = await lab.holdDownload('/nfc', root, () => new Terminal(line, lab.everthaw.environment));
  return ran;
}

/** One without a terminal, and what it said. */
function started(...flags: readonly string[]): { readonly child: ChildProcess; said: () => string } {
  const child = spawn(process.execPath, words(...flags), {
    env: lab.everthaw.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += String(text)));
  return { child, said: () => said };
}

async function goOn(): Promise<void> {
  await lab.vcenter.control('DELETE', '/traffic');
}

/** Names of the VMs that have a whole backup of the very bytes of their disks; nothing else is there. */
async function whole(): Promise<readonly string[]> {
  const names = await readdir(root);
  for (const name of names) expect(await lab.diskIn(join(root, name))).toBe(await sha256(disk.raw));
  return names.map((name) => name.replace(/-fullVM$/, '')).sort();
}

async function isLiving(vm: string): Promise<boolean> {
  const { status } = await lab.client.workflow.getHandle(await lab.runOf(vm)).describe();
  return status.name === 'RUNNING';
}

/** Of the three the ones that are not among these. */
function others(...names: readonly string[]): readonly string[] {
  return NAMES.filter((name) => !names.includes(name));
}

const QUESTION = /cancel \[a\]ll and end the series, \[s\]top watching .*\[w\]atching\? $/;

/** Asks by Ctrl-C, and gives the names in the order of their keys. */
async function ask(terminal: Terminal, from = 0): Promise<readonly string[]> {
  terminal.type(CTRL_C);
  await terminal.until(QUESTION, from);
  return [...terminal.shown.slice(from).matchAll(/\[\d\] "(\w)"/g)].map(([, name = '']) => name);
}

describe('vcbSnapAll --parallel', () => {
  it('works on so many VMs at once, and each line says of which one it is', async () => {
    const { ran } = await lab.holdDownload('/nfc', root, () => started('--parallel', '2'));
    const begun = () => new Set([...ran.said().matchAll(/^(\w): transfer …$/gm)].map(([, name]) => name));
    await eventually(() => begun().size === 2);
    const [third = ''] = others(...([...begun()] as string[]));
    expect(ran.said()).not.toContain(`backup of "${third}"`);
    await goOn();
    expect(await once(ran.child, 'close')).toEqual([0, null]);
    const lines = ran.said().trimEnd().split('\n');
    expect(lines.pop()).toBe('3 of 3 done, 0 failed');
    for (const line of lines) expect(line).toMatch(/^[abc]: /);
    for (const name of NAMES)
      expect(lines).toContain(`${name}: backup succeeded: ${join(root, `${name}-fullVM`)}`);
    expect(await whole()).toEqual(NAMES);
  });

  it('names the VM in every object, and hides no success behind a failure', async () => {
    const first = started('--parallel', '3', '--json');
    expect(await once(first.child, 'close')).toEqual([0, null]);
    const lines = first.said().trimEnd().split('\n');
    expect(JSON.parse(lines.pop() ?? '')).toEqual({ state: 'succeeded', vms: 3, failed: 0 });
    const told = lines.map((line) => JSON.parse(line) as { vm?: string; state?: string });
    for (const { vm } of told) expect(NAMES).toContain(vm);
    expect(told.filter(({ state }) => state === 'succeeded')).toHaveLength(3);
    const again = started('--parallel', '3');
    expect(await once(again.child, 'close')).toEqual([1, null]);
    for (const name of NAMES)
      expect(again.said()).toMatch(new RegExp(`^everthaw: ${name}: .*holds a backup`, 'm'));
  });

  it.each(['0', '10', '1.5', 'many'])('refuses %s', async (number) => {
    const { child, said } = started('--parallel', number);
    const [code] = (await once(child, 'close')) as [number];
    expect(refusal({ code, stdout: '', stderr: said() }, 2)).toContain('no whole number from 1 to 9');
  });

  it('shows a line for each VM on a terminal, and Ctrl-C ends one of them: the series goes on', async () => {
    const terminal = await held('--parallel', '2');
    await terminal.until(/\w: disk scsi0:0 \[disk of 64 MiB.* so far[^]*\w: disk scsi0:0 \[.* so far/);
    const [first = '', second = ''] = await ask(terminal);
    expect(new Set([first, second]).size).toBe(2);
    terminal.type('1');
    await terminal.until(
      new RegExp(`everthaw: ${first}: the run of "${first}" is cancelled\\. Let go, and seen`),
    );
    const [third = ''] = others(first, second);
    await terminal.until(new RegExp(`${third}: backup of "${third}" to .* started`));
    await goOn();
    expect(await terminal.end()).toBe(3);
    expect(terminal.lines().at(-1)).toBe('2 of 3 done, 1 failed');
    expect(await whole()).toEqual([second, third].sort());
  });

  it('tells of every run that goes on when it is ended by a signal, and what is not begun', async () => {
    const { ran } = await lab.holdDownload('/nfc', root, () => started('--parallel', '2'));
    await eventually(() => [...ran.said().matchAll(/: transfer …/g)].length === 2);
    ran.child.kill('SIGTERM');
    expect(await once(ran.child, 'close')).toEqual([130, null]);
    const [, first = '', second = ''] = /these runs go on: "(\w)", "(\w)"\./.exec(ran.said()) ?? [];
    const [third = ''] = others(first, second);
    expect(ran.said()).toContain(`everthaw: not begun: "${third}"\n`);
    for (const name of [first, second]) expect(await isLiving(name)).toBe(true);
    await goOn();
    for (const name of [first, second]) await lab.everthaw.everthaw('watch', name);
    expect(await whole()).toEqual([first, second].sort());
  });
});

describe('Ctrl-C in a series of one after the other', () => {
  it('ends this run only and goes on with the next, or stops watching and says what goes on', async () => {
    const terminal = await held();
    await terminal.until(/so far/);
    await ask(terminal);
    const [, first = ''] = /\[c\]ancel the run of "(\w)" and go on with the rest/.exec(terminal.shown) ?? [];
    expect(NAMES).toContain(first);
    terminal.type('c');
    const cancelled = await terminal.until(/the run of "\w" is cancelled[^]*so far/);
    await ask(terminal, cancelled);
    const [, second = ''] = /the run of "(\w)" and go on/.exec(terminal.shown.slice(cancelled)) ?? [];
    terminal.type('s');
    expect(await terminal.end()).toBe(130);
    const [third = ''] = others(first, second);
    expect(terminal.lines().slice(-2)).toEqual([
      expect.stringContaining(
        `stopped watching; these runs go on: "${second}". Follow one with everthaw watch`,
      ),
      `everthaw: not begun: "${third}"`,
    ]);
    expect(await isLiving(second)).toBe(true);
    await goOn();
    expect(await lab.everthaw.everthaw('watch', second)).toMatchObject({ code: 0 });
    expect(await whole()).toEqual([second]);
  });

  it('or ends all of it: what runs lets go, and nothing else is begun', async () => {
    const terminal = await held('--parallel', '2');
    await terminal.until(/so far[^]*so far/);
    await ask(terminal);
    terminal.type('a');
    expect(await terminal.end()).toBe(130);
    expect(terminal.lines().at(-1)).toBe('0 of 3 done, 2 failed, 1 not begun');
    expect(terminal.lines().filter((line) => line.includes('Let go, and seen to be gone'))).toHaveLength(2);
    expect(await whole()).toEqual([]);
  });
});
