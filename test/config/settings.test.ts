import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nearest } from '../../src/domain/nearest.js';
import { readSettings, type Settings } from '../../src/config/settings.js';
import { declarationOf, SETTING_NAMES } from '../../src/config/settingTable.js';
import type { Told } from '../../src/config/sources.js';
import { LIBVIRT_SETTINGS } from '../../src/hosts/libvirt/connection/settings.js';
import { run } from '../lab/run.js';

let directory: string;
let yaml: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-settings-'));
  yaml = join(directory, 'everthaw.yaml');
  await writeFile(
    yaml,
    `
proxy: proxy1
sweepEveryS: 60
maximumSnapshotAgeS: 1000
hosts:
  vc1: { kind: vsphere, address: vc1.example.com, username: one, passwordFile: one.password, port: 1001 }
  vc2: { kind: vsphere, address: vc2.example.com, username: two }
  kvm1: { kind: libvirt, address: "qemu:///system", freezeSeconds: 5, scratchFloorMib: 1 }
defaults: { retries: 4, transport: "nbdssl:lease" }
proxies:
  proxy1: { sweepEveryS: 7 }
  proxy2: { sweepEveryS: 8, maximumSnapshotAgeS: 2000 }
`,
  );
  await mkdir(join(directory, 'config'));
  await writeFile(
    join(directory, 'config', 'config.js'),
    `BACKUPROOT="/backups";\nHOST="vc1.example.com";\nUSERNAME="js";\nPASSWORD="js";\nMAX_RETRIES=9;\nVM_LOOKUP_METHOD="ipaddr";\n`,
    { mode: 0o600 },
  );
  await writeFile(join(directory, 'b.conf'), 'VCHOST=vc2\nPASSWORD=conf\nTEMPDIR=/scratch\n', {
    mode: 0o600,
  });
});

afterAll(() => rm(directory, { recursive: true }));

/** Settings as everthaw.yaml and more say them. */
function read(env: NodeJS.ProcessEnv = {}, told: Told = {}): Settings {
  return readSettings(env, { config: yaml, ...told });
}

const NOTHING = { EVERTHAW_CONFIG: '/dev/null' };

describe('a setting', () => {
  it('has its default where nobody says anything', () => {
    const settings = readSettings({ ...NOTHING, XDG_STATE_HOME: '/s', XDG_CACHE_HOME: '/c' });
    expect(settings).toMatchObject({
      stateDirectory: '/s/everthaw',
      cacheDirectory: '/c/everthaw',
      proxy: hostname(),
      temporal: { address: undefined, namespace: 'default' },
      maximumSnapshotAgeMs: 24 * 3600_000,
      sweepEveryMs: 300_000,
      offlineAfterMs: 900_000,
      host: { address: undefined, port: 443, password: undefined, verifyCertificate: true },
      backup: { quiesce: 'required', snapshotPolicy: 'automatic', transport: undefined },
      lookup: 'name',
      retries: { maximumRetries: 0, backoffMs: 10_000 },
    });
    expect(settings.libvirt).toEqual(LIBVIRT_SETTINGS.parse({}));
  });

  it('is taken from a flag, else the environment, else the file', () => {
    const env = { EVERTHAW_RETRIES: '5' };
    expect(read().retries.maximumRetries).toBe(4);
    expect(read(env).retries.maximumRetries).toBe(5);
    expect(read(env, { flags: { retries: '6' } }).retries.maximumRetries).toBe(6);
    // A variable that is empty says nothing.
    expect(read({ EVERTHAW_RETRIES: '' }).retries.maximumRetries).toBe(4);
  });

  it('is another for one proxy, where the file says so', () => {
    expect(read()).toMatchObject({ proxy: 'proxy1', sweepEveryMs: 7000, maximumSnapshotAgeMs: 1_000_000 });
    expect(read({ EVERTHAW_PROXY: 'proxy2' })).toMatchObject({
      sweepEveryMs: 8000,
      maximumSnapshotAgeMs: 2_000_000,
    });
    expect(read({ EVERTHAW_PROXY: 'proxy3' })).toMatchObject({ sweepEveryMs: 60_000 });
  });

  it('has a variable that no other has, and is somewhere to be given', () => {
    const declared = SETTING_NAMES.map(declarationOf);
    const variables = declared.flatMap(({ env }) => (env === undefined ? [] : [env]));
    expect(new Set(variables).size).toBe(variables.length);
    for (const { env, conf, configJs } of declared) expect(env ?? conf ?? configJs).toBeDefined();
  });

  it('is checked, whichever it is: what is wrong, what was given, what is allowed', () => {
    for (const name of SETTING_NAMES) {
      const { env, kind } = declarationOf(name);
      if (env === undefined || kind.is === 'secret') continue;
      const told = `the environment: ${env} is "\\u0000"; allowed: `;
      expect(() => readSettings({ ...NOTHING, [env]: '\0' }), name).toThrow(
        expect.objectContaining({ code: 'WrongUsage', message: expect.stringContaining(told) as string }),
      );
    }
  });

  it.each([
    ['EVERTHAW_PORT', ['0', '65536', '44x', '1.5', '-1', ' 1', '1e3', '0x1']],
    ['EVERTHAW_SWEEP_EVERY_S', ['-1', 'never', '99999999999999999999']],
    ['EVERTHAW_FREEZE_UNGUARDED', ['yes please', '2', 'constructor']],
    ['EVERTHAW_QUIESCE', ['Required', 'yes']],
    ['EVERTHAW_THUMBPRINT', ['AB', 'AB:CD']],
    ['EVERTHAW_SCRATCH_DIRECTORY', ['scratch']],
    ['TEMPORAL_ADDRESS', ['temporal.example.com']],
    ['EVERTHAW_DATASTORES', ['old=new', '["new"]', '{"old":1}', '{"old":""}']],
  ])('%s may not be any of %j', (variable, values) => {
    for (const value of values)
      expect(() => readSettings({ ...NOTHING, [variable]: value }), value).toThrow(variable);
  });

  it('that is wrong is told with all others that are, in one line, wherever they stand', () => {
    const broken = { EVERTHAW_PORT: 'a', EVERTHAW_CONFIG: join(directory, 'none.yaml') };
    expect(() => readSettings(broken, { flags: { retries: 'b' }, installPath: '/nonexistent' })).toThrow(
      /^read the settings: 4 problems: the command line: --retries is "b".*; the environment: EVERTHAW_PORT is "a".*; \/nonexistent\/config\/config\.js: .*there is no such file.*none\.yaml: there is no such file/,
    );
  });

  it('of a secret never shows it', () => {
    const settings = read({ EVERTHAW_PASSWORD: 'open sesame' });
    expect(JSON.stringify(settings)).not.toContain('sesame');
    expect(settings.host.password?.reveal()).toBe('open sesame');
  });
});

describe('a host', () => {
  it('is named by its name or its address in everthaw.yaml, and brings what is said of it', () => {
    for (const host of ['vc1', 'vc1.example.com'])
      expect(read({}, { flags: { host } }).host).toMatchObject({
        address: 'vc1.example.com',
        port: 1001,
        username: 'one',
        passwordFile: join(directory, 'one.password'),
      });
    expect(read({ EVERTHAW_HOST: 'kvm1' })).toMatchObject({
      host: { address: 'qemu:///system' },
      libvirt: { switchSeconds: 5, scratchFloorBytes: 1024 * 1024 },
    });
    expect(read({ EVERTHAW_HOST: 'vc3' }).host).toMatchObject({
      address: 'vc3',
      port: 443,
      username: undefined,
    });
  });

  it('needs not be named where there is one only', async () => {
    expect(read().host.address).toBeUndefined();
    const one = join(directory, 'one.yaml');
    await writeFile(one, 'hosts:\n  vc: { kind: vsphere, address: vc.example.com, port: 44 }\n');
    expect(readSettings({}, { config: one }).host).toMatchObject({ address: 'vc.example.com', port: 44 });
  });

  it('has the password that was said with more weight, or the file of it', () => {
    const flags = { host: 'vc1' };
    const told = ({ host }: Settings): unknown => host.password?.reveal() ?? host.passwordFile;
    expect(told(read({}, { flags }))).toBe(join(directory, 'one.password'));
    expect(told(read({ EVERTHAW_PASSWORD: 'env' }, { flags }))).toBe('env');
    expect(told(read({ EVERTHAW_PASSWORD: 'env' }, { flags: { ...flags, passwordFile: '/f' } }))).toBe('/f');
    expect(told(read({ EVERTHAW_PASSWORD: 'env' }, { flags: { ...flags, password: 'p' } }))).toBe('p');
    expect(told(read({ EVERTHAW_PASSWORD: 'env', EVERTHAW_PASSWORD_FILE: '/f' }))).toBe('env');
  });
});

describe('config.js of an install path', () => {
  it('is asked before everthaw.yaml, and its defaults after', () => {
    const settings = read({}, { installPath: directory });
    expect(settings).toMatchObject({
      host: { address: 'vc1.example.com', port: 1001, username: 'js' },
      backup: { root: '/backups', transport: 'nbdssl:lease' },
      lookup: 'ipaddr',
      retries: { maximumRetries: 9 },
    });
    expect(settings.host.password?.reveal()).toBe('js');
    expect(readSettings(NOTHING, { installPath: directory }).backup.transport).toBe('san');
    expect(read({ EVERTHAW_RETRIES: '5' }, { installPath: directory }).retries.maximumRetries).toBe(5);
  });

  it('must say what nobody else says: a libvirt host needs no user', async () => {
    const installPath = join(directory, 'empty');
    await mkdir(join(installPath, 'config'), { recursive: true });
    await writeFile(join(installPath, 'config', 'config.js'), '');
    const missing = (env: NodeJS.ProcessEnv): readonly string[] => {
      try {
        readSettings({ ...NOTHING, ...env }, { installPath });
      } catch (error) {
        return [...String(error).matchAll(/([A-Z_]+) is not given/g)].map(([, option = '']) => option);
      }
      return [];
    };
    expect(missing({})).toEqual(['BACKUPROOT', 'HOST', 'USERNAME', 'PASSWORD']);
    const env = { EVERTHAW_ROOT: '/backups', EVERTHAW_HOST: 'vc', EVERTHAW_USERNAME: 'me' };
    expect(missing(env)).toEqual(['PASSWORD']);
    expect(missing({ ...env, EVERTHAW_PASSWORD_FILE: '/f' })).toEqual([]);
    expect(missing({ EVERTHAW_ROOT: '/backups', EVERTHAW_HOST: 'qemu:///system' })).toEqual([]);
  });
});

describe('backuptools.conf', () => {
  it('is read by the programs of the console only, and named by EVERTHAW_BACKUPTOOLS_CONF', () => {
    const env = { EVERTHAW_BACKUPTOOLS_CONF: join(directory, 'b.conf') };
    const settings = read(env, { isConsole: true });
    expect(settings.host).toMatchObject({ address: 'vc2.example.com', username: 'two' });
    expect(settings.host.password?.reveal()).toBe('conf');
    expect(settings.console.tempDirectory).toBe('/scratch');
    expect(read(env).host.address).toBeUndefined();
    expect(
      read({ EVERTHAW_BACKUPTOOLS_CONF: '/nonexistent' }, { isConsole: true }).host.address,
    ).toBeUndefined();
  });
});

describe('a name that nobody knows', () => {
  it.each([
    ['TRANPORT_MODE', 'TRANSPORT_MODE'],
    ['Host', 'HOST'],
    ['pasword', 'passwordFile'],
    ['password', 'passwordFile'],
    ['sweep-every-s', 'sweepEveryS'],
    ['colour', undefined],
    ['x', undefined],
    ['', undefined],
  ])('%s means %s', (name, meant) => {
    expect(nearest(name, ['TRANSPORT_MODE', 'HOST', 'PORT', 'passwordFile', 'sweepEveryS'])).toBe(meant);
  });
});

describe('what is written of the settings', () => {
  it('in docs/configuration.md and the schema of everthaw.yaml is what the program does', async () => {
    expect(await run(process.execPath, ['scripts/configuration.mjs', '--check'])).toMatchObject({
      code: 0,
      stderr: '',
    });
  });
});
