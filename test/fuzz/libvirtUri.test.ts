import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isLibvirtUri, parseAddress, shellOf } from '../../src/hosts/libvirt/connection/libvirtUri.js';
import { ProxySockets } from '../../src/system/proxySockets.js';
import { anyText, mutated } from './generators.js';
import { clearly, fuzz } from './fuzz.js';

const SAMPLES = [
  'qemu:///system',
  'qemu:///session?socket=/run/user/0/libvirt/virtqemud-sock',
  'qemu+ssh://root@kvm.example.com:2222/system',
  'qemu+ssh://[fe80::1]/session?socket=/x',
];

let directory: string;
let sockets: ProxySockets;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-fuzz-'));
  sockets = await ProxySockets.open(directory);
});

afterAll(() => rm(directory, { recursive: true }));

/** What ssh and a shell behind it (a ProxyCommand of the user's) are told is a name, and no option. */
function check(address: string): void {
  const found = clearly(() => parseAddress(address), 'reach libvirt at "');
  if (found === undefined) return;
  expect(found.uri).toMatch(/^qemu:\/\/\/(system|session)(\?.*)?$/);
  if (found.ssh === undefined) return;
  expect(found.ssh.destination).toMatch(/^[^-\s'"`;&<>|(){}$][^\s'"`;&<>|(){}$]*$/u);
  expect(found.host).not.toMatch(/^-/);
  const { args } = shellOf(found, sockets).command('true', [], 'it');
  expect(args[args.indexOf('--') + 1]).toBe(found.ssh.destination);
}

describe('a libvirt URI', () => {
  fuzz('is one, or is refused in one line', mutated(...SAMPLES), check, 300);
  fuzz('with any user and host is one, or is refused', fc.tuple(anyText, anyText), ([user, host]) => {
    check(`qemu+ssh://${user}@${host}/system`);
    check(`qemu+ssh://${encodeURIComponent(user.replace(/\p{Cs}/gu, ''))}@h/system`);
    check(`qemu+ssh://${host}/system`);
    expect(typeof isLibvirtUri(user)).toBe('boolean');
  });

  it.each([
    'qemu+ssh://-oProxyCommand=x/system',
    'qemu+ssh://root@-oProxyCommand=x/system',
    'qemu+ssh://%2doProxyCommand=x@h/system',
    'qemu+ssh://a%20b@h/system',
    'qemu+ssh://a%0Ab@h/system',
    'qemu+ssh://$(touch pwned)@h/system',
    'qemu+ssh://`touch`/system',
    'qemu+ssh://%zz@h/system',
  ])('that would be more than a name to ssh is refused: %s', (address) => {
    expect(() => parseAddress(address)).toThrow(expect.objectContaining({ code: 'WrongUsage' }));
  });

  it('with a password is refused, and not repeated', () => {
    expect(() => parseAddress('qemu+ssh://root:hunter2@h/system')).toThrow(/password/);
    expect(() => parseAddress('qemu+ssh://root:hunter2@h/system')).not.toThrow(/hunter2/);
    expect(() => parseAddress('qemu+ssh://root:hunter2@h/nowhere')).not.toThrow(/hunter2/);
  });
});
