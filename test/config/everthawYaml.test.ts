import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseEverthawYaml } from '../../src/config/everthawYaml.js';
import { inOrder, formatProblem } from '../../src/config/problem.js';
import { declarationOf, SETTING_NAMES, type SettingName } from '../../src/config/settingTable.js';
import type { Written } from '../../src/config/written.js';
import { text, valueOf } from './samples.js';

const problemsOf = (yaml: string): readonly string[] =>
  inOrder(parseEverthawYaml(yaml, '/e.yaml').problems).map(formatProblem);

const asObject = (written: readonly Written[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(written.map(({ setting, value }) => [setting, value]));

describe('everthaw.yaml', () => {
  it('names several hosts, what is other for one proxy, and what applies to all', () => {
    const { written, hosts, proxies, problems, warnings } = parseEverthawYaml(
      `
proxy: proxy1
sweepEveryS: 60
temporal: { address: temporal.example.com:7233 }
hosts:
  vc1:
    kind: vsphere
    address: vc1.example.com
    passwordFile: vc1.password
    port: 8443
  kvm1: { kind: libvirt, address: qemu:///system, freezeUnguarded: true }
defaults:
  retries: 3
proxies:
  proxy2: { sweepEveryS: 0 }
`,
      '/etc/everthaw/everthaw.yaml',
    );
    expect({ problems, warnings }).toEqual({ problems: [], warnings: [] });
    expect(asObject(written)).toEqual({
      proxy: 'proxy1',
      sweepEveryS: 60,
      temporalAddress: 'temporal.example.com:7233',
      retries: 3,
    });
    expect(written.find(({ setting }) => setting === 'retries')?.from).toBe('/etc/everthaw/everthaw.yaml:13');
    expect(hosts.map(({ name, address, from }) => [name, address, from])).toEqual([
      ['vc1', 'vc1.example.com', '/etc/everthaw/everthaw.yaml:6'],
      ['kvm1', 'qemu:///system', '/etc/everthaw/everthaw.yaml:11'],
    ]);
    expect(hosts.map((host) => asObject(host.written))).toEqual([
      { passwordFile: '/etc/everthaw/vc1.password', port: 8443 },
      { freezeUnguarded: true },
    ]);
    expect(asObject(proxies.get('proxy2') ?? [])).toEqual({ sweepEveryS: 0 });
  });

  it.each(['', '# nothing\n', '---\n', 'null', '{}'])('may say nothing: %j', (yaml) => {
    const { written, hosts, problems } = parseEverthawYaml(yaml, '/e.yaml');
    expect({ written, hosts, problems }).toEqual({ written: [], hosts: [], problems: [] });
  });

  it('tells all its problems at once, each with line and column', () => {
    const yaml = `prox: p1
proxy: 3
temporal:
  adress: x
hosts:
  vc1: { kind: vspere, address: a }
  vc2:
    kind: vsphere
    pasword: open-sesame
    port: "443"
  kvm:
    kind: libvirt
    address: vc.example.com
    prot: 3
defaults:
  transport: [a]
  quiesce: true
`;
    expect(problemsOf(yaml)).toEqual([
      '/e.yaml:1:1: unknown option "prox"; did you mean proxy?',
      '/e.yaml:2:1: proxy is 3; allowed: a text',
      '/e.yaml:4:3: temporal: unknown option "adress"; did you mean address?',
      '/e.yaml:6:10: hosts.vc1.kind is "vspere"; allowed: one of vsphere, libvirt',
      '/e.yaml:7:3: hosts.vc2.address is not given; allowed: vCenter Server or ESX host',
      '/e.yaml:9:5: hosts.vc2: unknown option "pasword"; did you mean passwordFile?',
      '/e.yaml:10:5: hosts.vc2.port is "443"; allowed: a whole number from 1 to 65535',
      expect.stringMatching(
        /^\/e\.yaml:14:5: hosts\.kvm: unknown option "prot"; known: kind, address, pointInTime/,
      ) as string,
      expect.stringMatching(
        /^\/e\.yaml:16:3: defaults\.transport is \["a"\]; allowed: one of san, nbd/,
      ) as string,
      '/e.yaml:17:3: defaults.quiesce is true; allowed: one of required, preferred, none',
    ]);
    expect(problemsOf(yaml).join()).not.toContain('sesame');
  });

  it.each([
    ['[a]', '/e.yaml:1:1: the file is ["a"]; allowed: a map of keys to values'],
    ['hosts: 3', '/e.yaml:1:1: hosts is 3; allowed: a map of keys to values'],
    ['hosts:\n  a: 3', '/e.yaml:2:3: hosts.a is 3; allowed: a map of keys to values'],
    ['hosts:\n  a: {}', '/e.yaml:2:3: hosts.a.kind is not given; allowed: one of vsphere, libvirt'],
    [
      'hosts:\n  a: { kind: vsphere, address: "qemu:///system" }',
      '/e.yaml:2:23: hosts.a.address is "qemu:///system"; allowed: a name or address; a libvirt URI is of kind libvirt',
    ],
    ['proxy: a\nproxy: b', '/e.yaml:2:1: Map keys must be unique'],
    ['proxy: [', expect.stringMatching(/^\/e\.yaml:1:\d+: Flow sequence/) as string],
    ['a: !!js/function "x"', expect.stringContaining('Unresolved tag') as string],
    ['proxy: *nowhere', expect.stringContaining('Unresolved alias') as string],
    ['proxy: a\n---\nproxy: b', expect.stringContaining('multiple documents') as string],
  ])('%j is refused', (yaml, problem) => {
    expect(problemsOf(yaml)[0]).toEqual(problem);
  });

  it('that doubles itself again and again, or is nested without end, is refused and not fatal', () => {
    const doubling = [
      'a: &a0 [x]',
      ...Array.from({ length: 40 }, (_, n) => `b${n}: &a${n + 1} [*a${n}, *a${n}]`),
    ];
    expect(problemsOf(doubling.join('\n'))).toHaveLength(1);
    expect(problemsOf('['.repeat(20_000)).length).toBeGreaterThan(0);
    expect(problemsOf(`${'a: {'.repeat(5000)}${'}'.repeat(5000)}`).length).toBeGreaterThan(0);
  });

  it('comes back as it was written, for every setting that it may hold', () => {
    const inSection = (...sections: readonly string[]): readonly SettingName[] =>
      SETTING_NAMES.filter((name) => sections.includes(declarationOf(name).section ?? ''));
    const some = (...sections: readonly string[]): fc.Arbitrary<Readonly<Record<string, unknown>>> =>
      fc.record(
        Object.fromEntries(
          inSection(...sections).map((name) => [declarationOf(name).key ?? '', valueOf(name)]),
        ),
        { requiredKeys: [] },
      );
    const file = fc.record({
      top: some('top', 'proxy'),
      temporal: some('temporal'),
      defaults: some('defaults'),
      vsphere: some('vsphere'),
      libvirt: some('libvirt'),
      other: some('proxy'),
      name: text,
    });
    const bySetting = (values: object, ...sections: readonly string[]): unknown =>
      Object.fromEntries(
        inSection(...sections).flatMap((name) => {
          const value = (values as Record<string, unknown>)[declarationOf(name).key ?? ''];
          // A map is kept as JSON.
          return value === undefined
            ? []
            : [[name, typeof value === 'object' ? JSON.stringify(value) : value]];
        }),
      );
    fc.assert(
      fc.property(file, ({ top, temporal, defaults, vsphere, libvirt, other, name }) => {
        const yaml = stringify({
          ...top,
          temporal,
          defaults,
          hosts: {
            [`v${name}`]: { kind: 'vsphere', address: 'vc', ...vsphere },
            [`l${name}`]: { kind: 'libvirt', address: 'qemu:///system', ...libvirt },
          },
          proxies: { [`p${name}`]: other },
        });
        const read = parseEverthawYaml(yaml, '/e.yaml');
        expect(read.problems).toEqual([]);
        expect(asObject(read.written)).toEqual({
          ...(bySetting(top, 'top', 'proxy') as object),
          ...(bySetting(temporal, 'temporal') as object),
          ...(bySetting(defaults, 'defaults') as object),
        });
        expect(read.hosts.map((host) => asObject(host.written))).toEqual([
          bySetting(vsphere, 'vsphere'),
          bySetting(libvirt, 'libvirt'),
        ]);
        expect(asObject(read.proxies.get(`p${name}`) ?? [])).toEqual(bySetting(other, 'proxy'));
      }),
      { numRuns: 50 },
    );
  });

  it('never throws, whatever stands in it', () => {
    const piece = fc.constantFrom(
      ...[
        'hosts',
        'proxies',
        'temporal',
        'defaults',
        ': ',
        '\n',
        '  ',
        '- ',
        '{',
        '}',
        '[',
        ']',
        '&a ',
        '*a',
        '!',
        '|',
        '>',
      ],
      ...[
        '"',
        "'",
        '#',
        '? ',
        ',',
        'kind',
        'vsphere',
        'port',
        '1',
        'null',
        '<<',
        '__proto__',
        'constructor',
        '%',
        '\t',
      ],
    );
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
      fc
        .object({ key: fc.constantFrom('hosts', 'proxies', 'kind', 'a', 'temporal', 'proxy') })
        .map((each) => stringify(each)),
    );
    fc.assert(
      fc.property(texts, (yaml) => {
        for (const { where } of parseEverthawYaml(yaml, '/e.yaml').problems)
          expect(where).toMatch(/^\/e\.yaml(:\d+:\d+)?$/);
      }),
      { numRuns: 500 },
    );
  });
});
