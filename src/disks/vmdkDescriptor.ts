import { EverthawError } from '../domain/errors.js';

const SECTOR_BYTES = 512;
const EXTENT = /^\s*RW\s+(\d+)\s+(?:VMFS|FLAT)\s+"([^"]+)"/gm;

export interface FlatExtent {
  /** Beside the descriptor. */
  readonly file: string;
  readonly sizeBytes: number;
}

/** The one flat extent that a VMDK descriptor names. @throws EverthawError TransportRefused for any other layout. */
export function readExtent(descriptor: string, what: string): FlatExtent {
  const extents = [...descriptor.matchAll(EXTENT)];
  const [, sectors, file] = extents[0] ?? [];
  if (extents.length === 1 && sectors !== undefined && file !== undefined && !file.includes('/')) {
    return { file, sizeBytes: Number(sectors) * SECTOR_BYTES };
  }
  throw new EverthawError({
    code: 'TransportRefused',
    what,
    why:
      extents.length === 0
        ? 'its descriptor names no flat extent'
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
