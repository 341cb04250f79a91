import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';

const BLOCK_BYTES = 4096;
const NONE = 0xffffffff;

/** A SYSTEM hive of Windows, whose MountedDevices hivexsh writes into a hive that is empty. */
export async function makeRegistry(file: string, letters: Readonly<Record<string, Buffer>>): Promise<void> {
  await writeFile(file, emptyHive());
  const values = Object.entries(letters).flatMap(([letter, value]) => [
    `\\DosDevices\\${letter}:`,
    `hex:3:${[...value].map((byte) => byte.toString(16).padStart(2, '0')).join(',')}`,
  ]);
  const commands = [
    'add MountedDevices',
    'cd MountedDevices',
    `setval ${values.length / 2}`,
    ...values,
    'commit',
  ];
  const shell = spawn('hivexsh', ['-w', file], { stdio: ['pipe', 'ignore', 'inherit'] });
  shell.stdin.end(commands.map((line) => `${line}\n`).join(''));
  const [code] = (await once(shell, 'close')) as [number];
  if (code !== 0) throw new Error(`hivexsh ended with ${code}`);
}

/** A header, and one block with the root key and its security record: hivex changes hives, and makes none. */
function emptyHive(): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write('regf', 'latin1');
  putNumbers(header, 0, { 4: 1, 8: 1, 20: 1, 24: 3, 32: 1, 36: 0x20, 40: BLOCK_BYTES, 44: 1 });
  let sum = 0;
  for (let at = 0; at < 508; at += 4) sum ^= header.readUInt32LE(at);
  header.writeUInt32LE(sum >>> 0, 508);

  const block = Buffer.alloc(BLOCK_BYTES);
  block.write('hbin', 'latin1');
  block.writeUInt32LE(BLOCK_BYTES, 8);
  const root = 0x20;
  const security = root + 0x58;
  const free = security + 0x30;
  block.writeInt32LE(root - security, root);
  block.write('nk', root + 4, 'latin1');
  block.writeUInt16LE(0x2c, root + 6);
  putNumbers(block, root + 4, { 0x10: NONE, 0x1c: NONE, 0x20: NONE, 0x28: NONE, 0x2c: security, 0x30: NONE });
  block.writeUInt16LE(4, root + 4 + 0x48);
  block.write('ROOT', root + 4 + 0x4c, 'latin1');
  block.writeInt32LE(security - free, security);
  block.write('sk', security + 4, 'latin1');
  putNumbers(block, security, { 8: security, 12: security, 16: 1, 20: 20 });
  block.writeUInt8(1, security + 24);
  block.writeUInt16LE(0x8000, security + 26);
  block.writeInt32LE(free - BLOCK_BYTES, free);
  return Buffer.concat([header, block]);
}

function putNumbers(into: Buffer, from: number, numbers: Readonly<Record<number, number>>): void {
  for (const [at, value] of Object.entries(numbers)) into.writeUInt32LE(value, from + Number(at));
}
