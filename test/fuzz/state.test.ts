import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatOwner, parseOwner, type OwnerRecord } from '../../src/domain/owner.js';
import { HoldingRecords } from '../../src/holdings/records.js';
import { HostRegister, type HostEntry } from '../../src/hosts/register.js';
import { Secret } from '../../src/hosts/secret.js';
import { VmNameCache } from '../../src/hosts/vmNameCache.js';
import { anyText, mutated, mutatedJson } from './generators.js';
import { clearlyLater, expectOneLine, fuzz } from './fuzz.js';

const UUID = '50c429f0-d790-5d9d-9f6a-740d2ab1154a';
const OWNER: OwnerRecord = {
  version: 1,
  ...{
    cluster: 'c',
    namespace: 'n',
    workflowId: `vm/${UUID}/${UUID}`,
    runId: UUID,
    hostUuid: UUID,
    vmUuid: UUID,
  },
  ...{ proxy: 'p', machineId: 'm', bootId: 'b', takenAt: '2026-11-22T18:11:48Z', maximumAgeMs: 1 },
};
const ENTRY: HostEntry = { kind: 'vsphere', uuid: UUID, address: 'vc', port: 443, username: 'u' };

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'everthaw-fuzz-'));
});

afterEach(() => rm(root, { recursive: true }));

describe('an owner record', () => {
  fuzz('in a damaged text is whole, or there is none', mutated(formatOwner(OWNER)), (text) => {
    const owner = parseOwner(text);
    if (owner !== undefined) expect(parseOwner(formatOwner(owner))).toEqual(owner);
  });
});

describe('a note of what is held', () => {
  const note = mutatedJson({ owner: formatOwner(OWNER), vmName: 'web', id: 'lease-1' });
  fuzz(
    'that is damaged says nothing, and hides no other',
    fc.oneof(note, anyText, mutated(`{"owner":"x"}`)),
    async (text) => {
      const records = new HoldingRecords(root);
      await records.write('exportLease', { owner: OWNER, vmName: 'web', id: 'lease-1' });
      await writeFile(join(root, 'exportLease', 'damaged.json'), text);
      expect(await records.list('exportLease')).toContainEqual({
        owner: OWNER,
        vmName: 'web',
        id: 'lease-1',
      });
      expect(await records.has('exportLease', { ...OWNER, runId: 'damaged' })).toBe(true);
    },
    150,
  );

  fuzz(
    'of a run of any name lies where notes lie',
    anyText,
    async (runId) => {
      const records = new HoldingRecords(join(root, 'state', 'holdings'));
      const owner = { ...OWNER, runId };
      expect(dirname(await directoryOf(records, owner))).toBe(join(root, 'state', 'holdings', 'nbdServer'));
      if (
        (await clearlyLater(records.write('nbdServer', { owner, vmName: 'web' }).then(() => true))) !== true
      )
        return;
      expect(await records.read('nbdServer', owner)).toEqual({ owner, vmName: 'web' });
      await records.remove('nbdServer', owner);
      expect(await readdir(root)).toEqual(['state']);
    },
    100,
  );
});

/** For a name that no file can have, any below it. */
async function directoryOf(records: HoldingRecords, owner: OwnerRecord): Promise<string> {
  const named = async (): Promise<string> => Promise.resolve(records.directoryOf('nbdServer', owner));
  return (await clearlyLater(named())) ?? records.directoryOf('nbdServer', { ...owner, runId: 'x' });
}

describe('the register of hosts', () => {
  fuzz(
    'passes over what is damaged, and tells it',
    mutatedJson(ENTRY),
    async (json) => {
      const register = new HostRegister(root);
      await register.lend(ENTRY, new Secret('hunter2'), 'whole', OWNER);
      const place = join(root, UUID, 'damaged');
      await mkdir(place, { recursive: true });
      await writeFile(join(place, 'host.json'), json);
      await writeFile(join(place, 'secret'), 'hunter2');
      const entries = await register.list((_, error) => {
        expect(String(error)).not.toContain('hunter2');
      });
      expect(entries).toHaveLength(1);
      expect((await register.get(UUID, UUID)).entry).toEqual(ENTRY);
    },
    100,
  );

  it.each(['..', '.', 'a/../../b', '/etc', 'a\0b'])(
    'keeps a host that calls itself %j where hosts are',
    async (uuid) => {
      const register = new HostRegister(join(root, 'state', 'hosts'));
      await register.lend({ ...ENTRY, uuid }, new Secret('s'), 'loan');
      expect((await register.get(uuid)).entry.uuid).toBe(uuid);
      expect(await readdir(root)).toEqual(['state']);
      expect(await readdir(join(root, 'state'))).toEqual(['hosts']);
      await register.settle(uuid, 'loan');
      expect(await readdir(join(root, 'state', 'hosts'))).toEqual([]);
    },
  );
});

describe('the file of VMs’ addresses', () => {
  const seen = {
    host: UUID,
    instanceUuid: UUID,
    uuid: UUID,
    name: 'web',
    ipAddresses: ['10.0.0.7'],
    seenAt: '2026-11-22T18:11:48Z',
  };
  const damaged = fc.oneof(mutatedJson({ version: 1, vms: [seen] }), anyText);
  fuzz(
    'that is damaged is begun anew, and says so',
    damaged,
    async (text) => {
      const file = join(root, 'vm-names.json');
      await writeFile(file, text);
      const cache = new VmNameCache(file, expectOneLine);
      await cache.recall(UUID, { addresses: ['10.0.0.7'], hostName: 'web' });
      await cache.remember(UUID, [
        {
          moref: 'vm-1',
          instanceUuid: 'other',
          biosUuid: 'o',
          name: 'db',
          powerState: 'on',
          ipAddress: '10.0.0.8',
        },
      ]);
      const [found] = await cache.recall(UUID, { addresses: ['10.0.0.8'], hostName: undefined });
      expect(found?.name).toBe('db');
    },
    40,
  );
});
