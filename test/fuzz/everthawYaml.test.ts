import { describe, expect } from 'vitest';
import { parseEverthawYaml } from '../../src/config/everthawYaml.js';
import { formatProblem } from '../../src/config/problem.js';
import { anyText, mutated } from './generators.js';
import { expectOneLine, fuzz } from './fuzz.js';

const SAMPLE = `# one file for two proxies
proxy: backup-1
temporal:
  address: temporal.example.com:7233
  namespace: everthaw
defaults:
  root: /backups
  retries: 3
hosts:
  vc:
    kind: vsphere
    address: vc.example.com
    port: 443
    username: "VMWARE\\\\backup"
    passwordFile: /etc/everthaw/vc
  kvm: { kind: libvirt, address: 'qemu+ssh://root@kvm/system' }
proxies:
  backup-2: &two
    sweepEvery: 60
  backup-3: *two
`;

function check(text: string): void {
  const { problems, written, hosts } = parseEverthawYaml(text, '/e.yaml');
  for (const problem of problems.map(formatProblem)) {
    expect(problem).toMatch(/^\/e\.yaml(:\d+:\d+)?: ./);
    expectOneLine(problem);
  }
  for (const { from } of [...written, ...hosts]) expect(from).toMatch(/^\/e\.yaml:\d+$/);
}

describe('everthaw.yaml', () => {
  fuzz(
    'is understood, or each problem is told in one line with its place',
    mutated(SAMPLE, `%YAML 1.1\n---\n${SAMPLE}`),
    check,
    300,
  );

  fuzz('of any text at all gives no more than problems', anyText, (text) => {
    check(text);
    check(`hosts: ${text}`);
    check(`proxy: ${text}\n`);
  });
});
