import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OwnerRecord } from '../../src/domain/owner.js';
import { HostRegister } from '../../src/hosts/register.js';
import { Secret } from '../../src/hosts/secret.js';

let directory: string;
let register: HostRegister;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-register-'));
  register = new HostRegister(directory);
});

afterEach(() => rm(directory, { recursive: true }));

const ENTRY = {
  uuid: 'one',
  kind: 'vsphere',
  address: 'vc.example.com',
  port: 443,
  username: 'backup',
} as const;

const OWNER: OwnerRecord = {
  version: 1,
  cluster: 'c1',
  namespace: 'default',
  workflowId: 'vm/h/v',
  runId: 'r',
  hostUuid: 'one',
  vmUuid: 'v',
  proxy: 'p',
  machineId: 'm',
  bootId: 'b',
  takenAt: '2026-01-01T00:00:00Z',
};

describe('the register of hosts', () => {
  it('keeps a host until the last who needs it has given it back, and then forgets all', async () => {
    await register.lend(ENTRY, new Secret('a'), 'first');
    await register.lend(ENTRY, new Secret('a'), 'second');
    await register.settle('one', 'first');
    expect((await register.get('one')).password.reveal()).toBe('a');
    await register.settle('one', 'second');
    await expect(register.get('one')).rejects.toThrow(/log in to host one: this proxy has no address/);
    expect(await readdir(directory)).toEqual([]);
  });

  it('gives a run what it was lent, whatever was lent to others since, and to a visitor what was lent last', async () => {
    await register.lend(ENTRY, new Secret('a'), 'first', { ...OWNER, runId: '' });
    await register.assign('one', 'first', { ...OWNER, runId: 'r1' });
    await utimes(join(directory, 'one', 'first', 'host.json'), 1, 1);
    await register.lend({ ...ENTRY, username: 'other' }, new Secret('b'), 'second', { ...OWNER, runId: '' });
    expect((await register.get('one', 'r1')).password.reveal()).toBe('a');
    expect((await register.get('one', 'second')).entry).toMatchObject({ username: 'other' });
    expect((await register.get('one', 'a visitor')).password.reveal()).toBe('b');
    expect((await register.loans()).map(({ loan, owner }) => [loan, owner?.runId])).toEqual([
      ['first', 'r1'],
      ['second', ''],
    ]);
  });

  it('notes no run at a loan that it does not have', async () => {
    await register.assign('one', 'none', { ...OWNER, runId: 'r1' });
    expect(await readdir(directory)).toEqual([]);
  });

  it('never takes a host from one run when others begin and end', async () => {
    const turns = Array.from({ length: 40 }, async (_, turn) => {
      await register.lend(ENTRY, new Secret('a'), `run-${turn}`);
      expect((await register.get('one')).entry).toEqual(ENTRY);
      await register.settle('one', `run-${turn}`);
    });
    await Promise.all(turns);
    expect(await readdir(directory)).toEqual([]);
  });

  it('shows a secret to its owner only', async () => {
    await register.lend(ENTRY, new Secret('a'), 'run');
    expect((await stat(join(directory, 'one', 'run', 'secret'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'one'))).mode & 0o777).toBe(0o700);
  });

  it('gives back what nobody has without complaint', async () => {
    await register.settle('one', 'nobody');
    expect(await register.list()).toEqual([]);
  });

  it('passes over a loan that cannot be read, and says which', async () => {
    await register.lend(ENTRY, new Secret('a'), 'run');
    for (const broken of ['one/broken', 'two/broken']) {
      await mkdir(join(directory, broken), { recursive: true });
      await writeFile(join(directory, broken, 'host.json'), '{ no JSON');
    }
    const told: string[] = [];
    expect(await register.list((loan) => told.push(loan))).toEqual([ENTRY]);
    expect(told).toEqual([join(directory, 'one/broken'), join(directory, 'two/broken')]);
    expect((await register.get('one')).entry).toEqual(ENTRY);
    await expect(register.get('two')).rejects.toThrow(/log in to host two: this proxy has no address/);
  });
});
