import { randomBytes, randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fileNameOf } from '../../src/domain/fileName.js';
import { GuestLab } from '../lab/guestLab.js';
import { leftoversOnProxy } from '../lab/leftovers.js';
import { run } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

/** What libvirt takes as a name: neither a slash nor a line end, nor `..` itself, which would lead it out of a directory of its own. */
const NAMES = [
  `it's "quoted" & <b>`,
  '$(touch pwned) `touch pwned`; touch pwned',
  '-rf --id 1',
  '日本語のサーバー',
  ' a space at both ends ',
  '..hidden..',
  '..%2F..%2Fetc\\..',
  'x'.repeat(215),
];
const DISK_BYTES = 1024 * 1024;

let lab: GuestLab;
let disks: string;
let originals: string;

beforeAll(async () => {
  lab = await GuestLab.start(labTemporal());
  disks = join(lab.libvirt.directory, 'vms');
  originals = join(lab.everthaw.directory, 'originals');
  for (const each of [disks, originals]) await mkdir(each);
  for (const [index, name] of NAMES.entries()) await defineVm(name, index);
}, 120_000);

afterAll(() => lab.stop());

/** A VM that is off, with one disk of bytes of its own. */
async function defineVm(name: string, index: number): Promise<void> {
  const disk = join(disks, `${index}.raw`);
  await writeFile(disk, randomBytes(DISK_BYTES));
  await copyFile(disk, join(originals, `${index}.raw`));
  const encoded = name.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  const file = join(lab.libvirt.directory, `${index}.xml`);
  await writeFile(
    file,
    `<domain type="qemu"><name>${encoded}</name><uuid>${randomUUID()}</uuid><memory>65536</memory><os><type>hvm</type></os>
     <devices><disk type="file"><driver name="qemu" type="raw"/><source file="${disk}"/><target dev="vda" bus="virtio"/></disk></devices></domain>`,
  );
  await lab.libvirt.virsh('define', file);
}

/** What is where a command that was smuggled in would have been run, or a path would have led. */
async function around(): Promise<readonly string[]> {
  const places = ['.', lab.everthaw.directory, lab.everthaw.scratch, lab.libvirt.directory];
  return (await Promise.all(places.map((place) => readdir(place)))).flat();
}

/** Of a definition, for virsh's tables write bytes of a path as they please. */
async function diskOf(uuid: string): Promise<string> {
  const [, path = ''] = /<source file='([^']+)'/.exec(await lab.libvirt.virsh('dumpxml', uuid)) ?? [];
  const characters = { amp: '&', lt: '<', gt: '>', apos: "'", quot: '"' };
  return path.replace(/&(amp|lt|gt|apos|quot);/g, (_, name: keyof typeof characters) => characters[name]);
}

async function uuidsByName(): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await lab.everthaw.everthaw('vms', 'any:', '--json');
  const vms = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; biosUuid: string });
  return new Map(vms.map(({ name, biosUuid }) => [name, biosUuid]));
}

it('guests of evil names are backed up together, and restored to the same bytes, and nothing of a name is executed', async () => {
  const before = await around();
  const uuids = await uuidsByName();
  expect([...uuids.keys()].sort()).toEqual(NAMES.toSorted());
  const long = NAMES.at(-1) ?? '';
  const directories: string[] = [];
  for (const name of NAMES) {
    const directory = join(lab.everthaw.backups, name === long ? 'long' : `${fileNameOf(name)}-fullVM`);
    const to = name === long ? ['--to', directory] : [];
    const backup = await lab.backup(`name:${name}`, ...to);
    expect([name, backup.code, backup.stderr]).toEqual([name, 0, '']);
    directories.push(directory);
  }
  const made = (await readdir(lab.everthaw.backups)).map((each) => join(lab.everthaw.backups, each));
  expect(made.sort()).toEqual(directories.toSorted());

  for (const uuid of uuids.values()) await lab.libvirt.virsh('undefine', uuid);
  for (const name of await readdir(disks)) await rm(join(disks, name), { recursive: true });
  for (const [index, name] of NAMES.entries()) {
    const restore = await lab.restore(directories[index] ?? '');
    expect([name, restore.code, restore.stderr]).toEqual([name, 0, '']);
    const disk = await diskOf(uuids.get(name) ?? '');
    expect(disk.startsWith(`${disks}/`)).toBe(true);
    await run('qemu-img', ['compare', '-F', 'raw', disk, join(originals, `${index}.raw`)]);
  }
  expect(await uuidsByName()).toEqual(uuids);
  expect((await around()).filter((each) => !before.includes(each))).toEqual([]);
  expect(await leftoversOnProxy(lab.everthaw)).toEqual([]);
}, 600_000);
