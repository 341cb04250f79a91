import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseVmSpec } from '../../src/domain/vmSpec.js';
import { openHost } from '../../src/hosts/hostPool.js';
import { LIBVIRT_SETTINGS } from '../../src/hosts/libvirt/connection/settings.js';
import { Secret } from '../../src/hosts/secret.js';
import { openVsphere } from '../hosts/vsphereDriver.js';
import { LabEverthaw, type LabHost } from '../lab/everthaw.js';
import { LabGuest } from '../lab/guest.js';
import { LabLibvirt } from '../lab/libvirt.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';
import { LabVcenter, type LabVm } from '../lab/vcenter.js';

/** The installed programs that only look: no worker, no run. */
class Programs {
  readonly everthaw: LabEverthaw;

  constructor(everthaw: LabEverthaw) {
    this.everthaw = everthaw;
  }

  static async on(host: LabHost): Promise<Programs> {
    return new Programs(await LabEverthaw.create(host, labTemporal()));
  }

  vcbVmName(spec: string, ...args: readonly string[]): Promise<Ran> {
    return this.#run('vcbVmName', '-s', spec, ...args);
  }

  vcbUtil(...args: readonly string[]): Promise<Ran> {
    return this.#run('vcbUtil', ...args);
  }

  /** Names of the VMs that `everthaw vms --json` tells. */
  async names(spec: string): Promise<readonly string[]> {
    const { stdout, code } = await this.everthaw.everthaw('vms', spec, '--json');
    expect(code).toBe(0);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { name: string }).name);
  }

  #run(program: string, ...args: readonly string[]): Promise<Ran> {
    const file = fileURLToPath(new URL(`../../src/cli/${program}.js`, import.meta.url));
    return run(process.execPath, [file, ...args], { env: this.everthaw.environment, mayFail: true });
  }
}

describe('VMs and places of a vCenter', () => {
  /** Names as people see them, and as vSphere keeps them. */
  const NAMES: readonly (readonly [name: string, kept?: string])[] = [
    ['a "double" and a \'single\' quote'],
    ['line\nbreak'],
    ['web/db', 'web%2fdb'],
    ['web%2fdb', 'web%252fdb'],
    ['データベース'],
    ['x'.repeat(85)],
    ['ends with a space '],
    ['name:web'],
    ['<b>&amp;'],
  ];
  const SHARED_UUID = '564d1234-5678-9abc-def0-0123456789ab';
  let vcenter: LabVcenter;
  let programs: Programs;

  beforeAll(async () => {
    const plain = (vm: Omit<LabVm, 'disks'>): LabVm => ({ disks: [], powerOn: false, ...vm });
    vcenter = await LabVcenter.start([
      plain({ name: 'web', powerOn: true, ip: '10.0.0.7', hostName: 'web.example.com' }),
      plain({ name: 'local', powerOn: true, ip: '127.0.0.1' }),
      plain({ name: 'never', hostName: '' }),
      plain({ name: 'twin', uuid: SHARED_UUID }),
      plain({ name: 'clone', uuid: SHARED_UUID }),
      ...NAMES.map(([name, kept], index) => plain({ name: kept === undefined ? name : `renamed-${index}` })),
    ]);
    await vcenter.govc('folder.create', '/DC0/vm/other');
    await vcenter.govc('object.mv', '/DC0/vm/clone', '/DC0/vm/other');
    await vcenter.govc('object.rename', '/DC0/vm/other/clone', 'twin');
    for (const [index, [, kept]] of NAMES.entries())
      if (kept !== undefined) await vcenter.govc('object.rename', `/DC0/vm/renamed-${index}`, kept);
    programs = await Programs.on(vcenter);
  }, 120_000);

  afterAll(async () => {
    await programs.everthaw.remove();
    await vcenter.stop();
  });

  it('are told in the words of old', async () => {
    const { moref, biosUuid } = await vcenter.vm('web');
    const told = `Found VM:\nmoref:${moref}\nname:web\nuuid:${biosUuid}\nipaddr:10.0.0.7\n`;
    for (const spec of ['web', 'ipaddr:WEB.example.com'])
      expect(await programs.vcbVmName(spec)).toEqual({ code: 0, stdout: told, stderr: '' });
    const spaced = biosUuid.toUpperCase().replaceAll('-', ' ');
    expect((await programs.vcbVmName(`uuid:${spaced}`)).stdout).toBe(told);
  });

  it('are found by their exact names, whatever is in them', async () => {
    const host = await openVsphere(vcenter);
    for (const [name] of NAMES)
      expect(await host.findVms(parseVmSpec(`name:${name}`))).toMatchObject([{ name }]);
    expect((await programs.vcbVmName('name:line\nbreak')).stdout).toContain('\nname:line%0abreak\n');
    for (const other of ['name:WEB', 'name:ends with a space', 'name:web%2Fdb'])
      expect(await host.findVms(parseVmSpec(other))).toEqual([]);
    await host.logout();
    expect(await programs.vcbVmName('name:WEB')).toMatchObject({ code: 1, stdout: '' });
  });

  it('are listed by power state, all of them, or none', async () => {
    expect([...(await programs.names('powerstate:on'))].sort()).toEqual(['local', 'web']);
    expect(await programs.names('any:')).toHaveLength(5 + NAMES.length);
    expect(await programs.vcbVmName('none:')).toEqual({ code: 0, stdout: '', stderr: '' });
    const { stdout } = await programs.everthaw.everthaw('vms', 'powerstate:on');
    expect(stdout).toMatch(/^STATE +MOREF +UUID +ADDRESS +FOLDER +NAME\n/);
    expect(stdout).toMatch(/^on +vm-\d+ +[0-9a-f-]{36} +10\.0\.0\.7 +\/DC0\/vm +web$/m);
  });

  it('are found by an address after they are powered off, if they were seen with it before', async () => {
    const lookUp = () => programs.vcbVmName('ipaddr:web.example.com');
    expect((await lookUp()).code).toBe(0);
    await vcenter.govc('vm.power', '-off', 'web');
    // A real host tells no address of a VM that is off.
    await vcenter.govc('vm.change', '-vm', 'web', '-e', 'SET.guest.ipAddress=', '-e', 'SET.guest.hostName=');
    expect(await lookUp()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('name:web\n') as string,
    });
    const cache = join(programs.everthaw.directory, 'another-cache.json');
    const forgetful = programs.everthaw.withEnvironment({
      ...programs.everthaw.environment,
      EVERTHAW_VM_NAME_CACHE: cache,
    });
    const refused = await forgetful.everthaw('vms', 'ipaddr:web.example.com');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('none was seen with it before it was powered off');
    await vcenter.govc('vm.power', '-on', 'web');
  });

  it('are not found any more by what is remembered of one that is gone or has another address, and it is forgotten', async () => {
    const cache = join(programs.everthaw.state, 'vm-names.json');
    const remembered = async () => {
      const { vms } = JSON.parse(await readFile(cache, 'utf8')) as {
        vms: { name: string; ipAddresses: string[] }[];
      };
      return new Map(vms.map(({ name, ipAddresses }) => [name, ipAddresses]));
    };
    const change = (name: string, address: string) =>
      vcenter.govc('vm.change', '-vm', name, '-e', `SET.guest.ipAddress=${address}`);
    for (const [name, address] of [
      ['gone', '10.0.0.81'],
      ['moved', '10.0.0.82'],
    ] as const) {
      await vcenter.govc('vm.create', '-on=true', '-net', 'VM Network', '-ds', 'LocalDS_0', name);
      await change(name, address);
    }
    expect(await programs.names('any:')).toEqual(expect.arrayContaining(['gone', 'moved']));
    expect((await remembered()).get('gone')).toEqual(['10.0.0.81']);
    expect((await remembered()).get('moved')).toEqual(['10.0.0.82']);
    await vcenter.govc('vm.destroy', 'gone');
    await change('moved', '10.0.0.83');
    for (const address of ['10.0.0.81', '10.0.0.82'])
      expect(await programs.vcbVmName(`ipaddr:${address}`)).toMatchObject({ code: 1, stdout: '' });
    expect((await remembered()).get('gone')).toBeUndefined();
    expect((await remembered()).get('moved')).toEqual(['10.0.0.83']);
    await vcenter.govc('vm.destroy', 'moved');
  });

  it('are refused with all candidates where one is needed and several are meant', async () => {
    const twins = (await vcenter.vms()).filter(({ biosUuid }) => biosUuid === SHARED_UUID);
    expect(twins).toHaveLength(2);
    for (const spec of ['name:twin', `uuid:${SHARED_UUID}`]) {
      const { code, stderr } = await programs.everthaw.everthaw('backup', spec, '--to', '/tmp/never-made');
      expect(code).toBe(1);
      expect(stderr).toContain('2 VMs match');
      for (const { moref } of twins) expect(stderr).toContain(`(moref:${moref} uuid:${SHARED_UUID})`);
      for (const folder of ['/DC0/vm', '/DC0/vm/other']) expect(stderr).toContain(`"twin" in ${folder} `);
    }
    const many = await programs.everthaw.everthaw('backup', 'any:', '--to', '/tmp/never-made');
    expect(many).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('each needs a directory of its own') as string,
    });
  });

  it('are asked for wrongly with exit code 2 and a word on what was meant', async () => {
    const wrong = await programs.vcbVmName('nmae:web');
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toContain('did you mean name:web?');
    expect(await programs.vcbVmName('uuid:12')).toMatchObject({ code: 2 });
    expect(await programs.vcbUtil()).toMatchObject({ code: 2 });
    expect(await programs.vcbUtil('-c', 'nonsense')).toMatchObject({ code: 2 });
  });

  it('take host, user and password from flags, with a warning of the password', async () => {
    const { EVERTHAW_HOST: host = '', EVERTHAW_PASSWORD: password = '' } = programs.everthaw.environment;
    const flags = ['-h', host, '-u', 'backup-user', '-p', password];
    const { stdout, stderr, code } = await programs.vcbVmName('name:never', ...flags);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('visible in the process list') as string,
    });
    expect(stdout).toContain('name:never\n');
  });

  it('lie in places that can be listed', async () => {
    expect(await programs.vcbUtil('-c', 'vmfolders')).toEqual({
      code: 0,
      stdout: 'FOLDER\n/DC0/vm\n/DC0/vm/other\n',
      stderr: '',
    });
    expect((await programs.vcbUtil('-c', 'resourcepools')).stdout).toBe(
      'RESOURCE POOL\n/DC0/host/DC0_C0/Resources\n',
    );
    expect((await programs.vcbUtil('-c', 'datastores')).stdout).toMatch(
      /^LocalDS_0 +OTHER +.* +yes +\/.*LocalDS_0$/m,
    );
    const { stdout } = await programs.everthaw.everthaw('places', '--json');
    const kinds = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(new Set(kinds)).toEqual(new Set(['vmfolders', 'resourcepools', 'datastores', 'networks']));
  });
});

describe('VMs and places of a libvirt host', () => {
  const NAMES = ['a "hard" name, 日本; echo $(id) & --id 1', '<b>&amp;', 'x'.repeat(85), 'a%2fb', "it's "];
  let libvirt: LabLibvirt;
  let guest: LabGuest;
  let programs: Programs;

  beforeAll(async () => {
    libvirt = await LabLibvirt.start();
    guest = await LabGuest.start(libvirt, { name: 'web' });
    for (const [index, name] of NAMES.entries()) {
      const file = join(libvirt.directory, `${index}.xml`);
      const encoded = name.replace(/[&<>"'\n]/g, (character) => `&#${character.charCodeAt(0)};`);
      await writeFile(
        file,
        `<domain type="qemu"><name>${encoded}</name><uuid>${randomUUID()}</uuid><memory>65536</memory><os><type>hvm</type></os></domain>`,
      );
      await libvirt.virsh('define', file);
    }
    const pool = join(libvirt.directory, 'pool');
    await mkdir(pool);
    await libvirt.virsh('pool-define-as', 'pool one', 'dir', '--target', pool);
    programs = await Programs.on(libvirt);
  }, 120_000);

  afterAll(async () => {
    await programs.everthaw.remove();
    await libvirt.stop();
  });

  it('are found by their exact names, and listed by power state', async () => {
    const entry = { kind: 'libvirt' as const, address: libvirt.uri, settings: LIBVIRT_SETTINGS.parse({}) };
    const host = await openHost(entry, new Secret(''), undefined, libvirt.directory);
    for (const name of NAMES)
      expect(await host.findVms(parseVmSpec(`name:${name}`))).toMatchObject([{ name }]);
    await host.logout();
    expect(await programs.names('powerstate:on')).toEqual(['web']);
    expect([...(await programs.names('any:'))].sort()).toEqual([...NAMES, 'web'].sort());
    expect(await programs.names('none:')).toEqual([]);
  });

  it('are told in the words of old, by uuid and by the host name that the agent tells', async () => {
    const told = `Found VM:\nmoref:${guest.uuid}\nname:web\nuuid:${guest.uuid}\nipaddr:`;
    const hostName = (await guest.agent<{ 'host-name': string }>('guest-get-host-name'))['host-name'];
    for (const spec of [`uuid:${guest.uuid.toUpperCase()}`, `ipaddr:${hostName}`]) {
      const { code, stdout } = await programs.vcbVmName(spec);
      expect(code).toBe(0);
      expect(stdout).toContain(told);
    }
  });

  it('lie in storage pools and directories; folders there are none', async () => {
    const { stdout } = await programs.vcbUtil('-c', 'datastores');
    expect(stdout).toMatch(/^pool one +dir .* no +\/.*\/pool$/m);
    expect(stdout).toContain(guest.directory);
    await libvirt.virsh('pool-start', 'pool one');
    expect((await programs.vcbUtil('-c', 'datastores')).stdout).toMatch(/^pool one +dir .* yes +\//m);
    const folders = await programs.vcbUtil('-c', 'vmfolders');
    expect(folders).toMatchObject({ code: 2, stdout: '' });
    expect(folders.stderr).toContain('has none. Hint: ask for datastores or networks');
    expect(await programs.everthaw.everthaw('places')).toMatchObject({ code: 0 });
  });
});
