import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VmSummary } from '../../src/domain/vm.js';
import { canonicalAddress, isMeant, wantedAddress } from '../../src/hosts/guestAddress.js';
import { VmNameCache } from '../../src/hosts/vmNameCache.js';

let directory: string;
let file: string;
let warnings: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-names-'));
  file = join(directory, 'new', 'names.json');
  warnings = [];
});

afterEach(() => rm(directory, { recursive: true }));

function open(): VmNameCache {
  return new VmNameCache(file, (line) => warnings.push(line));
}

function vm(name: string, ...ipAddresses: readonly string[]): VmSummary {
  const hostName = `${name}.example.com`;
  return {
    instanceUuid: `i-${name}`,
    biosUuid: `b-${name}`,
    moref: name,
    name,
    powerState: 'on',
    ipAddresses,
    hostName,
  };
}

function at(...addresses: readonly string[]) {
  return { addresses, hostName: undefined };
}

describe('the cache of VM names', () => {
  it('remembers a VM by each of its addresses and by its host name, and keeps hosts apart', async () => {
    await open().remember('host', [vm('web', '10.0.0.7', 'fe80::7'), vm('db')]);
    for (const wanted of [at('10.0.0.7'), at('fe80::7'), { addresses: [], hostName: 'web.example.com' }])
      expect(await open().recall('host', wanted)).toMatchObject([{ name: 'web', uuid: 'b-web' }]);
    expect(await open().recall('another', at('10.0.0.7'))).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('gives an address to the VM that had it last', async () => {
    await open().remember('host', [vm('old', '10.0.0.7', '10.0.0.8')]);
    await open().remember('host', [vm('new', '10.0.0.7')]);
    expect(await open().recall('host', at('10.0.0.7'))).toMatchObject([{ name: 'new' }]);
    expect(await open().recall('host', at('10.0.0.8'))).toMatchObject([{ name: 'old' }]);
  });

  it('loses nothing of what many write at once, and leaves no file beside it', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `vm${index}`);
    await Promise.all(names.map((name, index) => open().remember('host', [vm(name, `10.0.0.${index}`)])));
    const kept = JSON.parse(await readFile(file, 'utf8')) as { vms: { name: string }[] };
    expect(kept.vms.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect((await readdir(join(directory, 'new'))).sort()).toEqual(['names.json', 'names.json.lock']);
    expect(warnings).toEqual([]);
  });

  it('forgets what was found wrong, and not what was noted since', async () => {
    await open().remember('host', [vm('web', '10.0.0.7'), vm('db', '10.0.0.8')]);
    const wrong = await open().recall('host', at('10.0.0.7'));
    await open().forget(wrong);
    expect(await open().recall('host', at('10.0.0.7'))).toEqual([]);
    expect(await open().recall('host', at('10.0.0.8'))).toMatchObject([{ name: 'db' }]);
    await open().remember('host', [vm('web', '10.0.0.9')]);
    await open().forget(wrong);
    expect(await open().recall('host', at('10.0.0.9'))).toMatchObject([{ name: 'web' }]);
  });

  it.each(['', '{"version":1,"vms":[{}]}', '\0\0\0'])(
    'is begun anew where it is damaged: %j',
    async (damage) => {
      await open().remember('host', [vm('web', '10.0.0.7')]);
      await writeFile(file, damage);
      expect(await open().recall('host', at('10.0.0.7'))).toEqual([]);
      expect(warnings).toEqual([expect.stringContaining('it is begun anew')]);
      await open().remember('host', [vm('web', '10.0.0.7')]);
      expect(await open().recall('host', at('10.0.0.7'))).toHaveLength(1);
    },
  );

  it('is left with a warning where it cannot be written', async () => {
    file = '/dev/null/names.json';
    await open().remember('host', [vm('web', '10.0.0.7')]);
    expect(warnings.join()).toContain('cannot be kept');
  });
});

describe('addresses', () => {
  it.each([
    ['FE80:0:0::1%eth0', 'fe80::1'],
    ['2001:DB8:0:0:0:0:0:10', '2001:db8::10'],
    ['::ffff:10.0.0.7', '10.0.0.7'],
    ['10.0.0.7', '10.0.0.7'],
    ['web.example.com', undefined],
    ['', undefined],
  ])('have one form: %j is %j', (text, form) => {
    expect(canonicalAddress(text)).toBe(form);
  });

  it('are looked for under a DNS name as this machine resolves it, and by the guest’s own host name', async () => {
    const wanted = await wantedAddress('Nowhere.Invalid.');
    expect(wanted).toEqual({ addresses: [], hostName: 'nowhere.invalid' });
    expect(isMeant(wanted, { hostName: 'NOWHERE.invalid' })).toBe(true);
    expect(isMeant(wanted, { ipAddress: '10.0.0.7' })).toBe(false);
    // A loopback is every guest's own.
    expect((await wantedAddress('localhost')).addresses).toEqual([]);
  });
});
