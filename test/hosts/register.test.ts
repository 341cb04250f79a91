import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
