import { link, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../lab/run.js';
import { makeRegistry } from './registry.js';

export const MIB = 1024 * 1024;
const SECTORS_A_MIB = 2048;

/** Files of every kind that a guest may have, with names that only bytes can say. */
export async function makeTree(directory: string): Promise<void> {
  const data = join(directory, 'srv/data');
  const at = (name: string): string => join(data, name);
  await mkdir(data, { recursive: true });
  await writeFile(at('plain'), 'plain\n', { mode: 0o640 });
  await link(at('plain'), at('second name'));
  await writeFile(at('日本語 ü'), 'x');
  await writeFile(at('with\nnewline'), 'y');
  await writeFile(Buffer.concat([Buffer.from(`${data}/`), Buffer.from([0xff, 0xfe, 0x41])]), 'no UTF-8');
  await writeFile(at('l'.repeat(255)), 'long');
  await writeFile(at('holes'), 'begin');
  await truncate(at('holes'), 3 * MIB);
  await writeFile(at('many'), Buffer.alloc(MIB, 'many bytes '));
  await symlink('/etc/shadow', at('absolute'));
  await symlink('../../../../../../etc', at('upwards'));
  await symlink('loop', at('loop'));
  await run('setfattr', ['-n', 'user.note', '-v', 'kept', at('plain')]);
  await run('setfacl', ['-m', 'u:1234:rw', at('many')]);
  await setTimes(directory);
}

/** One time for all, in whole seconds: not every file system has finer ones. */
export async function setTimes(directory: string): Promise<void> {
  await run('find', [directory, '-depth', '-exec', 'touch', '-h', '-d', '2021-03-04T05:06:08Z', '{}', '+']);
}

/** Everything that can be seen of a tree: kinds, modes, owners, times, links, contents, attributes and access lists. */
export async function treeOf(directory: string): Promise<string> {
  const script = `cd "$1"
    find . -mindepth 1 ! -name lost+found -printf '%P %y %m %U:%G %T@ %l\\n' | sort
    find . -type f -printf '%P %s %n\\n' | sort
    find . -type f -print0 | sort -z | xargs -0r sha256sum
    find . ! -name lost+found -print0 | sort -z | xargs -0r getfattr -h -d -m '^user'
    find . ! -name lost+found ! -type l -print0 | sort -z | xargs -0r getfacl -n`;
  return (await run('sh', ['-ec', script, 'sh', directory])).stdout;
}

export async function makeExt4(file: string, sizeMib: number, tree: string): Promise<void> {
  await makeEmpty(file, sizeMib);
  await run('mke2fs', ['-q', '-t', 'ext4', '-d', tree, file]);
}

/** Spoils an ext4 file system or adds to it, in debugfs's own words. */
export async function changeExt4(file: string, commands: readonly string[]): Promise<void> {
  const script = `${file}.debugfs`;
  await writeFile(script, commands.map((line) => `${line}\n`).join(''));
  await run('debugfs', ['-w', '-f', script, file]);
}

export async function makeFat(file: string, sizeMib: number, tree: string): Promise<void> {
  await makeEmpty(file, sizeMib);
  await run('mkfs.vfat', ['-n', 'EFI', file]);
  await run('sh', ['-ec', 'LC_ALL=C.UTF-8 mcopy -s -m -i "$1" "$2"/* ::', 'sh', file, tree]);
}

/** An NTFS with a tree; with letters it is a Windows system disk that has a registry. */
export async function makeNtfs(
  file: string,
  sizeMib: number,
  tree: string,
  letters?: Readonly<Record<string, Buffer>>,
): Promise<void> {
  await makeEmpty(file, sizeMib);
  await run('mkntfs', ['-Q', '-q', '-F', file]);
  const mount = `${file}.mount`;
  await mkdir(join(mount, 'at'), { recursive: true });
  const registry = join(mount, 'SYSTEM');
  if (letters !== undefined) await makeRegistry(registry, letters);
  const fill = `ntfs-3g "$1" "$2" -o locale=C.UTF-8
    cp -r --preserve=timestamps "$3"/. "$2"
    if [ -e "$4" ]; then mkdir -p "$2/Windows/System32/Config" && cp "$4" "$2/Windows/System32/Config/system"; fi
    umount "$2"`;
  await run('unshare', ['--mount', 'sh', '-ec', fill, 'sh', file, join(mount, 'at'), tree, registry]);
}

export interface Part {
  readonly startMib: number;
  readonly sizeMib: number;
  /** As sfdisk knows it. */
  readonly type: string;
  /** The file system in it. */
  readonly image?: string;
  readonly uuid?: string;
}

/** A disk with a partition table, by sfdisk. */
export async function makePartitioned(
  file: string,
  sizeMib: number,
  table: readonly string[],
  parts: readonly Part[],
): Promise<void> {
  await makeEmpty(file, sizeMib);
  const lines = parts.map(({ startMib, sizeMib: size, type, uuid }) =>
    [
      `start=${startMib * SECTORS_A_MIB}, size=${size * SECTORS_A_MIB}, type=${type}`,
      ...(uuid === undefined ? [] : [`uuid=${uuid}`]),
    ].join(', '),
  );
  await writeFile(`${file}.table`, [...table, ...lines].map((line) => `${line}\n`).join(''));
  await run('sh', ['-ec', 'sfdisk -q "$1" < "$2"', 'sh', file, `${file}.table`]);
  for (const { image, startMib } of parts)
    if (image !== undefined)
      await run('dd', [`if=${image}`, `of=${file}`, 'bs=1M', `seek=${startMib}`, 'conv=notrunc,sparse']);
}

export async function makeEmpty(file: string, sizeMib: number): Promise<void> {
  await writeFile(file, '');
  await truncate(file, sizeMib * MIB);
}

/** What Windows notes of a partition of an MBR disk. */
export function mbrLetter(signature: number, startMib: number): Buffer {
  const value = Buffer.alloc(12);
  value.writeUInt32LE(signature, 0);
  value.writeBigUInt64LE(BigInt(startMib * MIB), 4);
  return value;
}

/** And of a GPT disk: the partition's GUID, its first three fields little-endian. */
export function gptLetter(guid: string): Buffer {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex');
  for (const field of [bytes.subarray(0, 4), bytes.subarray(4, 6), bytes.subarray(6, 8)]) field.reverse();
  return Buffer.concat([Buffer.from('DMIO:ID:'), bytes]);
}
