import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { EverthawError } from '../domain/errors.js';
import { MANIFEST_FILE, type Manifest } from '../domain/manifest.js';
import type { JsonObject } from '../domain/vm.js';
import { OWNER_FILE } from './directory.js';
import { PROTECTED_FILE } from './protection.js';

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

/** A manifest of a thousand disks is smaller. */
export const LARGEST_MANIFEST_BYTES = 64 * 1024 * 1024;

const MANIFEST: z.ZodType<Manifest> = z.object({
  format: z.literal('everthaw/1'),
  everthawVersion: z.string(),
  kind: z.literal('image-full'),
  runId: z.string(),
  workflowId: z.string(),
  host: z.object({ uuid: z.string(), product: z.string(), address: z.string() }),
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
  pointInTime: z.string(),
  consistency: z.enum(['application', 'filesystem', 'crash']),
  transport: z.object({ mode: z.enum(['nbd', 'nbdssl']), via: z.enum(['lease', 'datastore', 'export']) }),
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
      path: fileName,
      role: z.enum(['disk', 'descriptor', 'catalog', 'vmx', 'domain', 'nvram', 'log', 'memory']),
      sizeBytes: z.number().int().nonnegative(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

/** Reads the manifest of a restore point. @throws EverthawError BackupDamaged */
export async function readManifest(directory: string): Promise<Manifest> {
  const file = join(directory, MANIFEST_FILE);
  let text: string;
  try {
    text = await readPlainFile(file, LARGEST_MANIFEST_BYTES);
  } catch (error) {
    throw damaged(
      directory,
      `its manifest cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    );
  }
  return parseManifest(text, directory);
}

/** The manifest in a text. @throws EverthawError BackupDamaged */
export function parseManifest(text: string, directory: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged(directory, 'its manifest is no JSON');
  }
  const parsed = MANIFEST.safeParse(json);
  if (!parsed.success) throw damaged(directory, `its manifest is not one of ours: ${wrongIn(parsed.error)}`);
  const { disks, files } = parsed.data;
  const twice =
    repeated(files.map(({ path }) => path)) ??
    repeated(disks.map(({ label }) => label)) ??
    repeated(disks.map(({ file }) => file));
  if (twice !== undefined) throw damaged(directory, `its manifest lists ${twice} twice`);
  const listed = new Set(files.map(({ path }) => path));
  const reserved = files.find(({ path }) => [MANIFEST_FILE, OWNER_FILE, PROTECTED_FILE].includes(path));
  if (reserved !== undefined)
    throw damaged(directory, `its manifest lists ${reserved.path} as a file of the VM`);
  const unlisted = disks.find(({ file: name }) => !listed.has(name));
  if (unlisted !== undefined) throw damaged(directory, `its manifest lists no hash for ${unlisted.file}`);
  return parsed.data;
}

/** The first few things that are wrong say enough of what kind of file it is. */
const MOST_TOLD = 3;

function wrongIn({ issues }: z.ZodError): string {
  const told = z.prettifyError(new z.ZodError(issues.slice(0, MOST_TOLD))).replace(/\s*\n\s*/g, ' ');
  return issues.length > MOST_TOLD ? `${told}, and ${issues.length - MOST_TOLD} more` : told;
}

function repeated(names: readonly string[]): string | undefined {
  return new Set(names).size === names.length
    ? undefined
    : names.find((name, index) => names.indexOf(name) < index);
}

/**
 * The text of a file that lies in a backup: a link is not followed, and nothing is waited for that a pipe may say.
 *
 * @throws an error with a code, as readFile does
 */
export async function readPlainFile(file: string, largestBytes: number): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw Object.assign(new Error('it is no file'), { code: 'it is no file' });
    if (found.size > largestBytes) throw Object.assign(new Error('too large'), { code: 'EFBIG' });
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

export function damaged(directory: string, why: string): EverthawError {
  return new EverthawError({
    code: 'BackupDamaged',
    what: `read the backup in "${directory}"`,
    why,
    hint: 'restore from another backup; what is whole of this one can be restored by hand (docs/formats.md)',
  });
}
