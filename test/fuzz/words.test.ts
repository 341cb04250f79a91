import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { virshWord } from '../../src/hosts/libvirt/connection/virsh.js';
import { sshShell } from '../../src/system/sshShell.js';
import { ProxySockets } from '../../src/system/proxySockets.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../lab/run.js';
import { vmNames } from './generators.js';
import { fuzz } from './fuzz.js';

const words = fc.array(vmNames, { minLength: 1, maxLength: 20 });
/** A text as programs are told it: halves of characters cannot be said. */
const said = (text: string): string => Buffer.from(text).toString();

describe('any name', () => {
  fuzz(
    'is one word, and nothing else, to the shell at the other end of ssh',
    words,
    async (names) => {
      const directory = await mkdtemp(join(tmpdir(), 'everthaw-fuzz-'));
      try {
        const shell = sshShell('root@kvm', undefined, await ProxySockets.open(directory));
        const { args } = shell.command('printf', ['%s\\0', ...names], 'it');
        const { stdout } = await run('sh', ['-c', args.at(-1) ?? '']);
        expect(stdout.split('\0').slice(0, -1)).toEqual(names.map(said));
      } finally {
        await rm(directory, { recursive: true });
      }
    },
    40,
  );

  fuzz(
    'is one word to virsh',
    words,
    async (names) => {
      const plain = names.map((name) => name.replace(/[\r\n]/g, ' '));
      const line = ['echo', '--', ...plain.map(virshWord)].join(' ');
      const { stdout } = await run('virsh', ['--quiet', '--', line]);
      expect(stdout.replace(/\n$/, '')).toBe(plain.map(said).join(' '));
    },
    15,
  );
});
