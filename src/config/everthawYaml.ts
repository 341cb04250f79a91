import { resolve } from 'node:path';
import { LineCounter, Parser, parseDocument, isMap, isNode, type CST, type Document } from 'yaml';
import * as z from 'zod';
import type { Channel } from '../domain/channel.js';
import { messageOf } from '../domain/errors.js';
import { isLibvirtUri } from '../hosts/libvirt/connection/libvirtUri.js';
import { CHANNEL, CHANNEL_KEYS, channelOf } from './channelsYaml.js';
import { JOB, JOB_KEYS, JOB_NAME, JOB_SETTINGS, jobOf, type WrittenJob } from './jobsYaml.js';
import { shown, unknownProblem, valueProblem } from './problem.js';
import { typeOf } from './readValue.js';
import type { SettingDeclaration } from './declarations/declaration.js';
import { declarationOf, SETTING_NAMES, type SettingName } from './settingTable.js';
import { placeIn, Reading, type Written } from './written.js';

const MAP = 'a map of keys to values';
const JOB_NAMES =
  'a name of letters, digits, spaces and . _ -, 100 at most, which begins with a letter or digit';

/** everthaw.yaml: what config.js and backuptools.conf have no words for. Strict: a key that nobody knows is an error. */
export const EVERTHAW_YAML = z.strictObject({
  ...keysOf('top', 'proxy'),
  temporal: z.strictObject(keysOf('temporal')).optional().describe('the Temporal server'),
  defaults: z
    .strictObject(keysOf('defaults'))
    .optional()
    .describe('for every run that is not told otherwise'),
  hosts: z
    .record(
      z.string().min(1),
      z.discriminatedUnion(
        'kind',
        [
          z.strictObject({
            kind: z.literal('vsphere'),
            address: address('vCenter Server or ESX host'),
            ...keysOf('vsphere'),
          }),
          z.strictObject({
            kind: z.literal('libvirt'),
            address: address('libvirt URI, as qemu:///system'),
            ...keysOf('libvirt'),
          }),
        ],
        'one of vsphere, libvirt',
      ),
      MAP,
    )
    .optional()
    .describe('hosts by the names that --host takes'),
  proxies: z
    .record(z.string().min(1), z.strictObject(keysOf('proxy')), MAP)
    .optional()
    .describe('what is other for one proxy, by its name, where several share this file'),
  notify: z
    .record(z.string().min(1), CHANNEL, MAP)
    .optional()
    .describe('ways to tell how jobs end, by the names that jobs say (docs/jobs.md)'),
  jobs: z
    .record(z.string().regex(JOB_NAME, JOB_NAMES), JOB, MAP)
    .optional()
    .describe('backups of many VMs, by name: everthaw jobs (docs/jobs.md)'),
});

type Parsed = z.infer<typeof EVERTHAW_YAML> & Readonly<Record<string, unknown>>;

/** What everthaw.yaml says of one host. */
export interface KnownHost {
  readonly name: string;
  readonly address: string;
  /** Where it is said. */
  readonly from: string;
  readonly written: readonly Written[];
}

export interface YamlReading extends Pick<Reading, 'problems' | 'warnings'> {
  /** For every proxy and host. */
  readonly written: readonly Written[];
  readonly hosts: readonly KnownHost[];
  /** By the proxy's name. */
  readonly proxies: ReadonlyMap<string, readonly Written[]>;
  /** By the names that jobs say. */
  readonly channels: Readonly<Record<string, Channel>>;
  /** What of jobs is right. */
  readonly jobs: readonly WrittenJob[];
}

/** Reads the text of everthaw.yaml. Never throws: all that is wrong is in the reading, with line and column. */
export function parseEverthawYaml(text: string, file: string): YamlReading {
  const reading = new Reading();
  const lines = new LineCounter();
  const { problems, warnings } = reading;
  const nothing = {
    problems,
    warnings,
    written: [],
    hosts: [],
    proxies: new Map<string, readonly Written[]>(),
    channels: {},
    jobs: [],
  };
  let document: Document;
  let object: unknown;
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  try {
    if (isTooDeep(text)) {
      reading.wrong(file, `cannot be read: it is nested more than ${DEEPEST} levels deep`);
      return nothing;
    }
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
    for (const { pos, message } of [...document.errors, ...document.warnings])
      reading.wrong(at(pos[0]), message);
    // What is not understood as YAML would be misunderstood as settings. A key that is there twice is told with the rest.
    if ([...document.errors, ...document.warnings].some(({ code }) => code !== 'DUPLICATE_KEY'))
      return nothing;
    // The file may be empty. Aliases of aliases are refused here.
    object = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    reading.wrong(file, `cannot be read: ${messageOf(error)}`);
    return nothing;
  }
  const parsed = EVERTHAW_YAML.safeParse(object);
  if (!parsed.success)
    for (const issue of parsed.error.issues)
      noteIssue(issue, document, object, (path) => at(offsetOf(document, path)), reading);
  const data = (parsed.data ?? {}) as Partial<Parsed>;
  for (const [name, { kind, address: given }] of Object.entries(data.hosts ?? {})) {
    if (isLibvirtUri(given) !== (kind === 'libvirt'))
      reading.wrong(
        at(offsetOf(document, ['hosts', name, 'address'])),
        valueProblem(
          `hosts.${name}.address`,
          shown(given),
          kind === 'libvirt'
            ? 'a libvirt URI, as qemu:///system'
            : 'a name or address; a libvirt URI is of kind libvirt',
        ),
      );
  }
  for (const [name, { notify = [] }] of Object.entries(data.jobs ?? {}))
    for (const [n, { to }] of notify.entries())
      if (data.notify?.[to] === undefined)
        reading.wrong(
          at(offsetOf(document, ['jobs', name, 'notify', String(n), 'to'])),
          valueProblem(`jobs.${name}.notify.${n}.to`, shown(to), 'a name that stands in notify'),
        );
  const collect = (path: readonly string[], ...sections: readonly Section[]): readonly Written[] =>
    collectSettings(path, settingsIn(...sections));
  const collectSettings = (
    path: readonly string[],
    settings: readonly (readonly [string, SettingName])[],
  ): readonly Written[] => {
    const part = path.reduce<unknown>(
      (all, key) => (all as Record<string, unknown> | undefined)?.[key],
      data,
    );
    const own = new Reading();
    for (const [key, setting] of settings) {
      const given = (part as Record<string, unknown> | undefined)?.[key];
      if (given === undefined) continue;
      const { line } = lines.linePos(offsetOf(document, [...path, key]));
      own.take(setting, given, { ...placeIn(file, line), option: key });
    }
    return own.written;
  };
  return {
    problems,
    warnings,
    written: [
      ...collect([], 'top', 'proxy'),
      ...collect(['temporal'], 'temporal'),
      ...collect(['defaults'], 'defaults'),
    ],
    hosts: Object.entries(data.hosts ?? {}).map(([name, host]) => ({
      name,
      address: host.address,
      from: placeIn(file, lines.linePos(offsetOf(document, ['hosts', name])).line).from,
      written: collect(['hosts', name], host.kind),
    })),
    proxies: new Map(
      Object.keys(data.proxies ?? {}).map((name) => [name, collect(['proxies', name], 'proxy')]),
    ),
    channels: Object.fromEntries(
      Object.entries(data.notify ?? {}).map(([name, channel]) => [
        name,
        channelOf(channel, (path) => resolve(placeIn(file, 1).directory, path)),
      ]),
    ),
    jobs: Object.entries(data.jobs ?? {}).map(([name, job]) => {
      const written = collectSettings(['jobs', name], JOB_SETTINGS.map(keyed));
      const settings = Object.fromEntries(written.map(({ setting, value }) => [setting, value]));
      return jobOf(name, job, settings);
    }),
  };
}

/** More than settings need. What goes deeper would be followed by the program's own steps, until they end it. */
const DEEPEST = 100;

function isTooDeep(text: string): boolean {
  let level: readonly (CST.Token | null | undefined)[] = [...new Parser().parse(text)];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) return true;
    level = level.flatMap((token) => {
      if (token == null) return [];
      if ('items' in token) return token.items.flatMap(({ key, value }) => [key, value]);
      return token.type === 'document' ? [token.value] : [];
    });
  }
  return false;
}

type Section = NonNullable<SettingDeclaration['section']>;

function settingsIn(...sections: readonly Section[]): readonly (readonly [string, SettingName])[] {
  return SETTING_NAMES.flatMap((setting) => {
    const { section, key } = declarationOf(setting);
    return section !== undefined && key !== undefined && sections.includes(section)
      ? [[key, setting] as const]
      : [];
  });
}

function keysOf(...sections: readonly Section[]): Record<string, z.ZodOptional> {
  return Object.fromEntries(
    settingsIn(...sections).map(([key, setting]) => {
      const { kind, what } = declarationOf(setting);
      return [key, typeOf(kind).optional().describe(what)];
    }),
  );
}

function address(what: string): z.ZodString {
  return z
    .string(what)
    .regex(/^\P{Cc}+$/u, what)
    .describe(what);
}

/** Says of one of zod's issues where it is, what is there, and what is allowed. */
function noteIssue(
  issue: z.core.$ZodIssue,
  document: Document,
  object: unknown,
  at: (path: readonly PropertyKey[]) => string,
  reading: Reading,
): void {
  const { path } = issue;
  const option = path.length === 0 ? 'the file' : path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys)
      reading.wrong(
        at([...path, key]),
        `${path.length === 0 ? '' : `${option}: `}${unknownProblem(key, knownKeys(path, object))}`,
      );
    return;
  }
  const given = path.reduce<unknown>(
    (all, key) => (all as Record<PropertyKey, unknown> | undefined)?.[key],
    object,
  );
  if (given === undefined)
    reading.wrong(at(path.slice(0, -1)), `${option} is not given; allowed: ${issue.message}`);
  else
    reading.wrong(
      at(path),
      valueProblem(
        option,
        isMap(document.getIn(path, true)) ? 'a map' : shown(given),
        issue.code === 'invalid_type' && issue.expected === 'object' ? MAP : issue.message,
      ),
    );
}

function keyed(setting: SettingName): readonly [string, SettingName] {
  return [declarationOf(setting).key ?? setting, setting];
}

function keysBelow([key]: readonly PropertyKey[]): readonly string[] {
  const part = (JOB.shape as Readonly<Record<PropertyKey, z.ZodType>>)[key ?? ''];
  const inner = part instanceof z.ZodOptional ? (part.unwrap() as z.ZodType) : part;
  const element = inner instanceof z.ZodArray ? (inner.element as z.ZodType) : inner;
  return element instanceof z.ZodObject ? Object.keys(element.shape) : [];
}

/** The keys that the place of an unknown one knows. */
function knownKeys(path: readonly PropertyKey[], object: unknown): readonly string[] {
  const [section, name] = path;
  if (section === undefined) return Object.keys(EVERTHAW_YAML.shape);
  if (section === 'jobs') return path.length > 2 ? keysBelow(path.slice(2)) : JOB_KEYS;
  if (section === 'notify') {
    const channel = (object as { notify: Record<PropertyKey, { kind?: string }> }).notify[name ?? ''];
    return CHANNEL_KEYS[channel?.kind === 'mail' ? 'mail' : 'webhook'];
  }
  if (section === 'hosts') {
    const host = (object as { hosts: Record<PropertyKey, { kind: 'vsphere' | 'libvirt' }> }).hosts[
      name ?? ''
    ];
    return ['kind', 'address', ...settingsIn(host?.kind ?? 'vsphere').map(([key]) => key)];
  }
  return settingsIn(section === 'proxies' ? 'proxy' : (section as Section)).map(([key]) => key);
}

/** Where a key is written; the nearest thing above it, where it is not. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  const parent =
    path.length === 0
      ? undefined
      : path.length === 1
        ? document.contents
        : document.getIn(path.slice(0, -1), true);
  if (isMap(parent)) {
    const pair = parent.items.find(({ key }) => isNode(key) && String(key.toJSON()) === String(path.at(-1)));
    if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0] ?? 0;
  }
  if (path.length > 0) return offsetOf(document, path.slice(0, -1));
  return document.contents?.range?.[0] ?? 0;
}
