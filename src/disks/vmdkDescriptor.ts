import { EverthawError } from '../domain/errors.js';

const SECTOR_BYTES = 512;
/** Whatever a reader may take for an extent that holds data. */
const ANY_EXTENT = /^[^\S\n]*RW\b.*$/gm;
/** A file beside the descriptor: with a colon in it, it would be of another protocol to QEMU. */
const FLAT_EXTENT = /^\s*RW\s+(\d{1,13})\s+(?:VMFS|FLAT)\s+"(?!\.{1,2}")([^"/:\p{Cc}]+)"/u;

export interface FlatExtent {
  /** Beside the descriptor. */
  readonly file: string;
  readonly sizeBytes: number;
}

/** The one flat extent that a VMDK descriptor names. @throws EverthawError TransportRefused for any other layout. */
export function readExtent(descriptor: string, what: string): FlatExtent {
  const extents = descriptor.match(ANY_EXTENT) ?? [];
  const [, sectors, file] = FLAT_EXTENT.exec(extents[0] ?? '') ?? [];
  if (extents.length === 1 && sectors !== undefined && file !== undefined) {
    return { file, sizeBytes: Number(sectors) * SECTOR_BYTES };
  }
  throw new EverthawError({
    code: 'TransportRefused',
    what,
    why:
      extents.length < 2
        ? 'its descriptor names no flat extent beside it'
        : `its descriptor names ${extents.length} extents`,
    hint: 'use the transport nbdssl:lease',
  });
}

/** A monolithicFlat descriptor (VMware's Virtual Disk Format 5.0) for a raw extent file beside it. */
export function formatDescriptor(flatFile: string, capacityBytes: number): string {
  const sectors = capacityBytes / SECTOR_BYTES;
  const cylinders = Math.min(16_383, Math.floor(sectors / (16 * 63)));
  return [
    '# Disk DescriptorFile',
    'version=1',
    'CID=fffffffe',
    'parentCID=ffffffff',
    'createType="monolithicFlat"',
    '',
    '# Extent description',
    `RW ${sectors} FLAT "${flatFile}" 0`,
    '',
    '# The Disk Data Base',
    '#DDB',
    '',
    'ddb.virtualHWVersion = "13"',
    `ddb.geometry.cylinders = "${cylinders}"`,
    'ddb.geometry.heads = "16"',
    'ddb.geometry.sectors = "63"',
    'ddb.adapterType = "lsilogic"',
    '',
  ].join('\n');
}
