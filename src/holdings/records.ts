import { access, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { fileNameOf } from '../domain/fileName.js';
import { formatOwner, parseOwner, type OwnerRecord } from '../domain/owner.js';
import type { HoldingKind, RunRef } from '../domain/holding.js';
import { removeAbandoned, removeWhole, writeWhole } from '../system/wholeFile.js';

/** What this proxy noted of a thing that cannot carry its owner itself: a lease, an NBD server. */
export interface HoldingRecord {
  readonly owner: OwnerRecord;
  readonly vmName: string;
  /** The host's id of the thing; missing between intent and effect. */
  readonly id?: string;
}

/**
 * The proxy's notes of what its runs hold: written before the thing is taken, removed when its absence was seen. They
 * survive the worker, and can be read without Temporal.
 */
export class HoldingRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async write(kind: HoldingKind, record: HoldingRecord): Promise<void> {
    const file = this.#file(kind, record.owner);
    await mkdir(join(this.#directory, kind), { recursive: true, mode: 0o700 });
    await writeWhole(file, JSON.stringify({ ...record, owner: formatOwner(record.owner) }));
  }

  async read(kind: HoldingKind, run: RunRef): Promise<HoldingRecord | undefined> {
    return readRecord(this.#file(kind, run));
  }

  /** Whether anything is noted, be it readable or not. */
  async has(kind: HoldingKind, run: RunRef): Promise<boolean> {
    return access(this.#file(kind, run)).then(
      () => true,
      () => false,
    );
  }

  async remove(kind: HoldingKind, run: RunRef): Promise<void> {
    await removeWhole(this.#file(kind, run));
  }

  /** Removes what killed processes left half written: nothing was taken yet by its word. */
  async removeAbandoned(): Promise<void> {
    const kinds = await readdir(this.#directory).catch(() => []);
    for (const kind of kinds) await removeAbandoned(join(this.#directory, kind));
  }

  async list(kind: HoldingKind): Promise<readonly HoldingRecord[]> {
    const names = await readdir(join(this.#directory, kind)).catch(() => []);
    const records = await Promise.all(
      names
        .filter((name) => name.endsWith('.json'))
        .map((name) => readRecord(join(this.#directory, kind, name))),
    );
    return records.filter((record) => record !== undefined);
  }

  /** A directory for what belongs to a holding of a run: an NBD server's socket. */
  directoryOf(kind: HoldingKind, run: RunRef): string {
    return join(this.#directory, kind, fileNameOf(run.runId));
  }

  #file(kind: HoldingKind, run: Pick<RunRef, 'runId'>): string {
    return join(this.#directory, kind, `${fileNameOf(run.runId)}.json`);
  }
}

const NOTE = z.object({ owner: z.string(), vmName: z.string(), id: z.string().optional() });

/** Undefined where nothing is noted, or nothing that can be read: what is damaged says of nothing whose it is. */
async function readRecord(file: string): Promise<HoldingRecord | undefined> {
  try {
    const { owner, vmName, id } = NOTE.parse(JSON.parse(await readFile(file, 'utf8')));
    const parsed = parseOwner(owner);
    return parsed === undefined ? undefined : { owner: parsed, vmName, ...(id === undefined ? {} : { id }) };
  } catch {
    return undefined;
  }
}
