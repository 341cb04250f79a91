import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, mkdtemp, open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { until } from '../../src/system/until.js';
import { chooseAccelerator, type Accelerator } from './accelerator.js';
import { writeData } from './disks.js';
import { askAgent, execInGuest } from './guestAgent.js';
import { domainXml, type GuestDomain } from './guestXml.js';
import type { LabLibvirt } from './libvirt.js';
import { GUEST } from './programs.js';
import { run } from './run.js';

const MIB = 1024 * 1024;
const BOOT_PATIENCE_MS = 120_000;
/** Under a KVM that works it takes two or three. */
const KVM_PATIENCE_MS = 20_000;
/** Of one file: small enough that a disk has several, large enough that making them is quick. */
const FILE_MIB = 8;

/** What lies in free memory would be saved too, and read again by every test. */
const ZERO_FREE_MEMORY = `
sync
echo 3 > /proc/sys/vm/drop_caches
mkdir /tmp/zero && mount -t tmpfs -o size=100% zero /tmp/zero
dd if=/dev/zero of=/tmp/zero/file bs=1M count=$(awk '/^MemFree/ { print int($2 / 1024) - 12 }' /proc/meminfo)
umount /tmp/zero && rmdir /tmp/zero`;

/** Sizes of the two disks, and how much of the first is files. */
export interface GuestSizes {
  readonly firstMiB: number;
  readonly dataMiB: number;
  readonly secondMiB: number;
}

export const SMALL: GuestSizes = { firstMiB: 256, dataMiB: 32, secondMiB: 64 };
/** Room for what is written in an hour. */
export const ROOMY: GuestSizes = { firstMiB: 768, dataMiB: 8, secondMiB: 768 };
export const LARGE: GuestSizes = { firstMiB: 4096, dataMiB: 800, secondMiB: 64 };
export const HUGE: GuestSizes = { firstMiB: 8192, dataMiB: 3072, secondMiB: 64 };

/** A guest that was booted once: its disks as they were at that moment, and its memory. */
export interface SavedGuest {
  readonly disks: readonly [string, string];
  readonly memory: string;
  readonly accelerator: Accelerator;
}

/**
 * A booted guest to restore from. Booted when there is none of this build, by this QEMU and libvirt, and kept: to boot takes
 * seconds, to restore a part of one.
 */
export async function savedGuest(libvirt: LabLibvirt, sizes: GuestSizes): Promise<SavedGuest> {
  const accelerator = await chooseAccelerator(() => tryKvm(libvirt));
  const directory = join(GUEST, 'saved', await keyOf(sizes, accelerator));
  if (!(await exists(directory)))
    await inNewDirectory(async (aside) => {
      await bootAndSave(libvirt, sizes, filesIn(aside, accelerator), BOOT_PATIENCE_MS);
      await rename(aside, directory).catch(async (error: unknown) => {
        if (!(await exists(directory))) throw error;
      });
    });
  return filesIn(directory, accelerator);
}

/** Boots a guest under KVM, saves it, and restores it, as each test will. */
function tryKvm(libvirt: LabLibvirt): Promise<void> {
  return inNewDirectory(async (aside) => {
    const saved = filesIn(aside, 'kvm');
    await bootAndSave(libvirt, SMALL, saved, KVM_PATIENCE_MS);
    const domain = newDomain(libvirt, saved);
    const saveFile = join(aside, 'save');
    await writeSaveFile(saved.memory, domain, saveFile);
    try {
      await libvirt.virsh('restore', saveFile);
      await awaitAgent(libvirt, domain.name, KVM_PATIENCE_MS);
    } finally {
      await libvirt.tryVirsh('destroy', domain.name);
    }
  });
}

async function inNewDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  await mkdir(join(GUEST, 'saved'), { recursive: true });
  const aside = await mkdtemp(join(GUEST, 'saved/new-'));
  try {
    await work(aside);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** A save file for `virsh restore` that brings the saved guest up as another domain, with other disks. */
export async function writeSaveFile(memory: string, domain: GuestDomain, file: string): Promise<void> {
  const xml = Buffer.from(`${domainXml(domain)}\0`);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 'latin1');
  header.writeUInt32LE(2, 16);
  header.writeUInt32LE(xml.length, LENGTH_OFFSET);
  header.writeUInt32LE(1, 24);
  await writeFile(file, Buffer.concat([header, xml]));
  await pipeline(createReadStream(memory, { highWaterMark: MIB }), createWriteStream(file, { flags: 'a' }));
}

/*
 * libvirt's format: magic, version, length of what lies between header and QEMU's stream, whether it was running,
 * compression, offset of a cookie (none), and room for more. The stream knows nothing of names and files.
 */
const MAGIC = 'LibvirtQemudSave';
const HEADER_BYTES = 92;
const LENGTH_OFFSET = 20;

async function bootAndSave(
  libvirt: LabLibvirt,
  sizes: GuestSizes,
  saved: SavedGuest,
  patienceMs: number,
): Promise<void> {
  const [first, second] = saved.disks;
  await makeFileSystem(first, sizes.firstMiB, sizes.dataMiB);
  await makeFileSystem(second, sizes.secondMiB, 0);
  const domain = newDomain(libvirt, saved);
  const { name, console } = domain;
  const xml = join(libvirt.directory, `${name}.xml`);
  await writeFile(xml, domainXml(domain));
  try {
    await libvirt.virsh('create', xml);
    await awaitAgent(libvirt, name, patienceMs);
    await until(
      async () => (await execInGuest(libvirt, name, ['cat', '/run/writer.state'])).code === 0,
      AbortSignal.timeout(patienceMs),
    );
    await execInGuest(libvirt, name, ['sh', '-c', ZERO_FREE_MEMORY]);
    const whole = `${saved.memory}.whole`;
    await libvirt.virsh('save', name, whole);
    await cutHeader(whole, saved.memory);
    await rm(whole);
  } catch (error) {
    await libvirt.tryVirsh('destroy', name);
    const said = await readFile(console, 'utf8').catch(() => 'it said nothing');
    throw new Error(`the lab guest does not come up: ${said}`, { cause: error });
  }
}

function newDomain(libvirt: LabLibvirt, { disks, accelerator }: SavedGuest): GuestDomain {
  const name = `first-${randomUUID().slice(0, 8)}`;
  return {
    ...{ name, uuid: randomUUID(), accelerator },
    console: join(libvirt.directory, `${name}.console`),
    disks: disks.map((file, n) => ({ target: n === 0 ? 'vda' : 'vdb', file, format: 'raw' })),
  };
}

export async function awaitAgent(
  libvirt: LabLibvirt,
  name: string,
  patienceMs = BOOT_PATIENCE_MS,
): Promise<void> {
  await until(
    () =>
      askAgent(libvirt, name, 'guest-ping').then(
        () => true,
        () => false,
      ),
    AbortSignal.timeout(patienceMs),
  );
}

async function makeFileSystem(file: string, sizeMiB: number, dataMiB: number): Promise<void> {
  const files = `${file}.files`;
  await mkdir(files);
  for (let written = 0; written < dataMiB; written += FILE_MIB)
    await writeData(join(files, `file-${written / FILE_MIB}`), FILE_MIB * MIB);
  await writeFile(file, '');
  await truncate(file, sizeMiB * MIB);
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  // Nothing left to do in the background: the kernel would write inode tables while a test compares copies.
  const options = ['-q', '-F', '-d', files, '-E', 'lazy_itable_init=0,lazy_journal_init=0'];
  await run('mkfs.ext4', [...options, file], { env });
  await rm(files, { recursive: true });
}

async function cutHeader(whole: string, memory: string): Promise<void> {
  const handle = await open(whole);
  const { buffer } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
  await handle.close();
  if (buffer.toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw new Error(`${whole} is no save file of libvirt`);
  const start = HEADER_BYTES + buffer.readUInt32LE(LENGTH_OFFSET);
  await pipeline(createReadStream(whole, { start, highWaterMark: MIB }), createWriteStream(memory));
}

/** Memory fits only the guest, the devices and the programs that it was saved with. */
async function keyOf(sizes: GuestSizes, accelerator: Accelerator): Promise<string> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const parts = [
    await readFile(join(GUEST, 'sources'), 'utf8'),
    domainXml({ name: '', uuid: '', disks: [], accelerator, console: '' }),
    (await run('qemu-system-x86_64', ['--version'])).stdout,
    (await run('libvirtd', ['--version'], { env })).stdout,
  ];
  const { firstMiB, dataMiB, secondMiB } = sizes;
  const hash = createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
  return `${firstMiB}-${dataMiB}-${secondMiB}-${hash}`;
}

function filesIn(directory: string, accelerator: Accelerator): SavedGuest {
  return {
    accelerator,
    disks: [join(directory, 'vda.raw'), join(directory, 'vdb.raw')],
    memory: join(directory, 'memory'),
  };
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
