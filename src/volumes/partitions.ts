import { fileSystemRefusal } from './fileSystems.js';
import { probe, unescapeHex } from './probe.js';
import { runTool } from './tool.js';
import type { DiskRefusal, ImageDisk, Volume } from './volume.js';

const SECTOR_BYTES = 512;
const TIMEOUT_MS = 30_000;

interface Partition {
  readonly number: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** `0x83`, or the GUID of its type, lower-case. */
  readonly type: string;
  readonly uuid: string;
  readonly label: string;
}

/** Holds the logical partitions, and no files of its own. */
const EXTENDED = ['0x5', '0xf', '0x85'];

/** Types that say more than what lies in them: a part of a Windows dynamic disk looks like nothing, or like what it was before. */
const DYNAMIC = ['0x42', '5808c8aa-7e8f-42e0-85d2-e1e90434cfb3', 'af9b60a0-1431-4f62-bc68-3311714a69ad'];

/** The volumes of one disk, which is read as a file. @throws EverthawError */
export async function findVolumes(file: string, disk: ImageDisk): Promise<readonly Volume[] | DiskRefusal> {
  const what = `look at disk ${disk.label}`;
  const whole = { offsetBytes: 0, sizeBytes: disk.capacityBytes };
  const found = await probe(file, whole, what);
  if (found.table === undefined) {
    if (found.fileSystem === undefined && !found.isAmbiguous)
      return { disk: disk.label, refusal: 'it has neither partitions nor a file system that is known' };
    const refusal = fileSystemRefusal(found);
    return [
      {
        id: disk.label,
        disk: disk.label,
        ...whole,
        ...named(found),
        ...(refusal === undefined ? {} : { refusal }),
      },
    ];
  }
  const partitions = (await readTable(file, what)).filter(({ type }) => !EXTENDED.includes(type));
  if (partitions.length === 0)
    return { disk: disk.label, refusal: `its ${found.table} partition table has no partition` };
  const volumes: Volume[] = [];
  for (const partition of partitions) volumes.push(await volumeOf(file, disk, partition, found.tableUuid));
  return volumes;
}

async function volumeOf(
  file: string,
  disk: ImageDisk,
  partition: Partition,
  tableUuid: string | undefined,
): Promise<Volume> {
  const id = `${disk.label}/${partition.number}`;
  const { offsetBytes, sizeBytes, uuid, label } = partition;
  const base = {
    id,
    disk: disk.label,
    offsetBytes,
    sizeBytes,
    ...(uuid === '' ? {} : { partUuid: uuid }),
    ...(label === '' ? {} : { partLabel: label }),
    ...(tableUuid === undefined ? {} : { tableUuid }),
  };
  if (offsetBytes + sizeBytes > disk.capacityBytes)
    return { ...base, refusal: 'it reaches past the end of its disk' };
  const found = await probe(file, partition, `look at volume ${id}`);
  const refusal = DYNAMIC.includes(partition.type)
    ? 'it is a part of a Windows dynamic disk'
    : fileSystemRefusal(found);
  return { ...base, ...named(found), ...(refusal === undefined ? {} : { refusal }) };
}

function named({
  fileSystem,
  label,
  uuid,
}: Partial<Pick<Volume, 'fileSystem' | 'label' | 'uuid'>>): Partial<Volume> {
  return {
    ...(fileSystem === undefined ? {} : { fileSystem }),
    ...(label === undefined ? {} : { label }),
    ...(uuid === undefined ? {} : { uuid }),
  };
}

async function readTable(file: string, what: string): Promise<readonly Partition[]> {
  const printed: string[] = [];
  await runTool({
    program: 'partx',
    args: ['--pairs', '--output', 'NR,START,SECTORS,TYPE,UUID,NAME', '--', file],
    what,
    timeoutMs: TIMEOUT_MS,
    onOutput: (text) => printed.push(text),
  });
  return parsePartitions(printed.join(''));
}

/** Of `partx --pairs`: a line `NR="1" START="2048" …` for each. */
export function parsePartitions(printed: string): readonly Partition[] {
  return printed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const pairs = new Map(
        [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value ?? '']),
      );
      const text = (key: string): string => pairs.get(key) ?? '';
      return {
        number: Number(text('NR')),
        offsetBytes: Number(text('START')) * SECTOR_BYTES,
        sizeBytes: Number(text('SECTORS')) * SECTOR_BYTES,
        type: text('TYPE').toLowerCase(),
        uuid: text('UUID').toLowerCase(),
        label: unescapeHex(text('NAME')),
      };
    });
}
