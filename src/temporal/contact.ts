import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { readJson } from '../system/jsonFile.js';
import { machineIdentity } from '../system/machine.js';
import { removeAbandoned, writeWhole } from '../system/wholeFile.js';
import type { LastHeard } from '../domain/offline.js';

const CONTACT = z.object({
  cluster: z.string(),
  namespace: z.string(),
  at: z.string(),
  bootId: z.string(),
  uptimeMs: z.number(),
});

/** Notes that a server was heard of now: by the time since boot, which nobody sets, and by the clock for people. */
export async function noteContact(
  file: string,
  server: { readonly cluster: string; readonly namespace: string },
): Promise<void> {
  const { bootId } = await machineIdentity();
  const { cluster, namespace } = server;
  const contact = { cluster, namespace, at: new Date().toISOString(), bootId, uptimeMs: await uptimeMs() };
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await removeAbandoned(dirname(file));
  await writeWhole(file, JSON.stringify(contact));
}

/** When a server was last heard of; undefined where no note can be read. After a reboot only the time since then is certain. */
export async function lastHeard(file: string): Promise<LastHeard | undefined> {
  const contact = CONTACT.safeParse(await readJson(file));
  if (!contact.success) return undefined;
  const { cluster, namespace, bootId, uptimeMs: then } = contact.data;
  const isSinceBoot = bootId === (await machineIdentity()).bootId;
  const silentMs = (await uptimeMs()) - (isSinceBoot ? then : 0);
  return { cluster, namespace, silentMs, isSinceBoot };
}

async function uptimeMs(): Promise<number> {
  return Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 1000;
}
