import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from './lab.js';
import { LabLibvirt } from './libvirt.js';

const labs: LabLibvirt[] = [];

afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.stop();
});

async function start(): Promise<LabLibvirt> {
  const lab = await LabLibvirt.start();
  labs.push(lab);
  return lab;
}

/** A program of its own that starts a libvirt and a VM, tells where, and then waits to be killed. */
const OWNER = `
const { LabLibvirt } = await import(${JSON.stringify(new URL('./libvirt.js', import.meta.url).href)});
const { LabGuest } = await import(${JSON.stringify(new URL('./guest.js', import.meta.url).href)});
const libvirt = await LabLibvirt.start();
await LabGuest.start(libvirt, { name: 'orphan' });
console.log(libvirt.directory);
setInterval(() => {}, 1000);
`;

describe('the lab’s libvirt', () => {
  it('stands beside others, each with a host uuid of its own that outlives the daemon', async () => {
    const [one, other] = [await start(), await start()];
    for (const lab of [one, other]) expect(await lab.virsh('capabilities')).toContain(lab.hostUuid);
    await one.restart();
    expect(await one.virsh('capabilities')).toContain(one.hostUuid);
    expect(one.hostUuid).not.toBe(other.hostUuid);
  });

  it('leaves no process and no file when the tests are killed', async () => {
    const owner = spawn(process.execPath, ['--input-type=module', '--eval', OWNER], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [directory] = (await Promise.race([
      once(createInterface({ input: owner.stdout }), 'line'),
      once(owner, 'exit').then(() => {
        throw new Error('the owner ended at once: it says why above');
      }),
    ])) as [string];
    expect((await programsOf(directory)).sort()).toEqual(['libvirtd', 'qemu-system-x86_64', 'sh']);
    owner.kill('SIGKILL');
    await eventually(async () => (await programsOf(directory)).length === 0);
    await expect(access(directory)).rejects.toThrow('ENOENT');
  });
});

/** The programs whose arguments name a directory. */
async function programsOf(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split(
      '\0',
    );
    if (args.some((arg) => arg.includes(directory))) found.push(program.replace(/^.*\//, ''));
  }
  return found;
}
