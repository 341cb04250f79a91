import { basename, posix } from 'node:path';
import * as z from 'zod';
import type { AnyManifest } from '../domain/fileManifest.js';
import type { JsonObject } from '../domain/vm.js';

/** A file's name within the directory: it cannot lead out of it. */
const fileName = z
  .string()
  .refine(
    (name) => name !== '' && name !== '.' && name !== '..' && basename(name) === name && !name.includes('\0'),
    {
      message: 'not the name of a file in this directory',
    },
  );

/** A disk's place goes into names of files on the host. */
const label = z.string().regex(/^[a-z]{1,16}\d{1,9}:\d{1,9}$/);

/** No program can be told of a name with this character, and no hypervisor has one. */
const name = z.string().refine((text) => !text.includes('\0'), { message: 'has a NUL' });

/** Whatever goes through it may go by its own steps down into it. */
const DEEPEST = 100;

function isShallow(value: unknown, levels = DEEPEST): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((each) => isShallow(each, levels - 1));
}

/** What manifests of every kind say. */
const COMMON = {
  format: z.literal('everthaw/1'),
  everthawVersion: z.string(),
  runId: z.string(),
  workflowId: z.string(),
  host: z.object({ uuid: z.string(), product: z.string(), address: z.string() }),
  pointInTime: z.string(),
  consistency: z.enum(['application', 'filesystem', 'crash']),
  transport: z.object({ mode: z.enum(['nbd', 'nbdssl']), via: z.enum(['lease', 'datastore', 'export']) }),
};

const STORED = {
  path: fileName,
  sizeBytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
};

const IMAGE_MANIFEST = z.object({
  ...COMMON,
  kind: z.literal('image-full'),
  vm: z.object({
    name,
    instanceUuid: z.string(),
    biosUuid: z.string(),
    powerState: z.string(),
    folderPath: z.string(),
    resourcePool: z.string(),
    host: z.string(),
    configuration: z.custom<JsonObject>(
      (value) => typeof value === 'object' && value !== null && isShallow(value),
    ),
  }),
  datastores: z.array(
    z.object({ label: z.string(), url: z.string(), kind: z.string(), freeBytes: z.number() }),
  ),
  disks: z.array(
    z.object({
      label,
      capacityBytes: z.number().int().positive(),
      file: fileName,
      format: z.enum(['vmdk-stream-optimized', 'vmdk-flat', 'vmdk-sparse', 'qcow2', 'raw']),
      originalPath: z.string(),
    }),
  ),
  files: z.array(
    z.object({
      ...STORED,
      role: z.enum(['disk', 'descriptor', 'catalog', 'vmx', 'domain', 'nvram', 'log', 'memory']),
    }),
  ),
});

/** A path below a volume's root: it goes downwards only. */
const pathBelow = z
  .string()
  .refine(
    (path) =>
      !path.includes('\0') && path.split('/').every((step) => step !== '' && step !== '.' && step !== '..'),
    { message: 'not a path below a volume' },
  );

/** What a guest can call a volume: it becomes a place below the directory that files are copied to. */
const volumeName = name.refine(
  (text) => /^[A-Z]:$/.test(text) || (text.startsWith('/') && posix.normalize(text) === text),
  { message: 'not the name of a volume' },
);

const FILE_VOLUME = z.object({
  id: name.refine(
    (id) => /^[^/]+(?:\/[^/]+)?$/.test(id) && !id.split('/').some((step) => /^\.{1,2}$/.test(step)),
    {
      message: 'not the place of a volume',
    },
  ),
  name: volumeName.exactOptional(),
  fileSystem: z.string().exactOptional(),
  uuid: z.string().exactOptional(),
  limits: z.string().exactOptional(),
  paths: z.array(pathBelow),
  archive: fileName.exactOptional(),
  listing: fileName.exactOptional(),
  snapshot: z
    .string()
    .regex(/^[0-9a-f]{8,64}$/)
    .exactOptional(),
  place: z.string().exactOptional(),
  frame: fileName.exactOptional(),
  copied: fileName.exactOptional(),
});

const FILE_MANIFEST = z.object({
  ...COMMON,
  kind: z.enum(['file-full', 'file-differential', 'file-incremental']),
  vm: z.object({ name, instanceUuid: z.string(), biosUuid: z.string(), powerState: z.string() }),
  module: z.object({ name, place: z.string().exactOptional() }),
  base: z.object({ directory: fileName, runId: z.string() }).exactOptional(),
  fullBecause: z.string().exactOptional(),
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  volumes: z.array(FILE_VOLUME),
  notKept: z.array(z.string()),
  files: z.array(z.object({ ...STORED, role: z.enum(['archive', 'listing', 'frame', 'copied']) })),
});

/** Of a manifest in a text. */
export const MANIFEST: z.ZodType<AnyManifest> = z.discriminatedUnion('kind', [IMAGE_MANIFEST, FILE_MANIFEST]);
