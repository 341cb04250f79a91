import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabDisk } from '../lab/disks.js';
import { run } from '../lab/run.js';
import {
  gptLetter,
  makeExt4,
  makeFat,
  makeNtfs,
  makePartitioned,
  makeTree,
  mbrLetter,
  setTimes,
} from './images.js';

const LINUX_GUID = '0fc63daf-8483-4772-8e79-3d69d8477de4';
const EFI_GUID = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const BASIC_GUID = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7';
const APP_PARTITION = '11111111-2222-3333-4444-555555555555';
const DATA_PARTITION = '01234567-89ab-cdef-0123-456789abcdef';
const ROOT_UUID = '6a5f0a3c-1111-4222-8333-444455556666';

/** What a Linux guest's disk was made from. */
export interface LinuxDisk extends LabDisk {
  /** Of its volume `/`. */
  readonly root: string;
  /** Of its volume `/var/lib/app`. */
  readonly app: string;
}

/** A Linux guest's disk: GPT with EFI, `/`, `/var/lib/app`, and a partition of nothing that is known. */
export async function makeLinuxDisk(directory: string): Promise<LinuxDisk> {
  const at = (name: string): string => join(directory, name);
  await makeTree(at('root'));
  await mkdir(at('root/etc'));
  await mkdir(at('root/var/lib/app'), { recursive: true });
  await mkdir(at('root/boot/efi'), { recursive: true });
  await writeFile(
    at('root/etc/fstab'),
    [
      `UUID=${ROOT_UUID} / ext4 defaults 0 1`,
      `PARTUUID=${APP_PARTITION} /var/lib/app ext4 defaults 0 2`,
      'LABEL=EFI /boot/efi vfat umask=0077 0 1',
    ].join('\n'),
  );
  await setTimes(at('root'));
  await makeExt4(at('root.img'), 24, at('root'));
  await run('tune2fs', ['-U', ROOT_UUID, at('root.img')]);
  await mkdir(at('app'));
  await writeFile(at('app/one'), 'of the second volume');
  await setTimes(at('app'));
  await makeExt4(at('app.img'), 8, at('app'));
  await mkdir(at('efi/EFI'), { recursive: true });
  await writeFile(at('efi/EFI/Long Näme.efi'), 'loader');
  await makeFat(at('efi.img'), 8, at('efi'));
  await makePartitioned(
    at('linux.raw'),
    64,
    ['label: gpt'],
    [
      { startMib: 1, sizeMib: 8, type: EFI_GUID, image: at('efi.img') },
      { startMib: 10, sizeMib: 24, type: LINUX_GUID, image: at('root.img') },
      { startMib: 36, sizeMib: 8, type: LINUX_GUID, image: at('app.img'), uuid: APP_PARTITION },
      { startMib: 46, sizeMib: 4, type: LINUX_GUID },
    ],
  );
  return { ...(await asLabDisk(at('linux.raw'))), root: at('root'), app: at('app') };
}

/** The two disks of a Windows guest: MBR with C: and a partition without a letter, GPT with D:. */
export async function makeWindowsDisks(directory: string): Promise<readonly [LabDisk, LabDisk]> {
  const at = (name: string): string => join(directory, name);
  for (const name of ['windows/Data', 'more']) await mkdir(at(name), { recursive: true });
  await writeFile(at('windows/Data/日本語.txt'), 'konnichiwa');
  await writeFile(at('more/on d'), 'second disk');
  await makeNtfs(at('c.img'), 16, at('windows'), {
    C: mbrLetter(0x1122aabb, 8),
    D: gptLetter(DATA_PARTITION),
  });
  await makeNtfs(at('d.img'), 8, at('more'));
  await makePartitioned(
    at('one.raw'),
    32,
    ['label: dos', 'label-id: 0x1122aabb'],
    [
      { startMib: 1, sizeMib: 6, type: '7', image: at('d.img') },
      { startMib: 8, sizeMib: 16, type: '7', image: at('c.img') },
    ],
  );
  await makePartitioned(
    at('two.raw'),
    16,
    ['label: gpt'],
    [{ startMib: 2, sizeMib: 8, type: BASIC_GUID, image: at('d.img'), uuid: DATA_PARTITION }],
  );
  return [await asLabDisk(at('one.raw')), await asLabDisk(at('two.raw'))];
}

/** A disk with that many small partitions, each with a file that says its number. */
export async function makeManyVolumes(directory: string, count: number): Promise<LabDisk> {
  const at = (name: string): string => join(directory, name);
  await mkdir(at('small'), { recursive: true });
  const parts = [];
  for (let n = 1; n <= count; n++) {
    await writeFile(at('small/number'), String(n));
    const image = at(`small-${n}.img`);
    await makeExt4(image, 1, at('small'));
    parts.push({ startMib: n, sizeMib: 1, type: LINUX_GUID, image });
  }
  await makePartitioned(at('many.raw'), count + 2, ['label: gpt'], parts);
  return asLabDisk(at('many.raw'));
}

async function asLabDisk(raw: string): Promise<LabDisk> {
  const streamOptimized = raw.replace(/raw$/, 'vmdk');
  await run('qemu-img', [
    ...['convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized'],
    ...[raw, streamOptimized],
  ]);
  return { raw, streamOptimized };
}
