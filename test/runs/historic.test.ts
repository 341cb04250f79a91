import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { historic, hostless, installed } from '../lab/historic.js';
import { EVERTHAW } from '../lab/programs.js';
import { refusal } from '../lab/refusal.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;

beforeAll(async () => {
  const disk = await makeDisk('system', 256, 24);
  lab = await Lab.start([{ name: 'web', disks: [{ ...disk, unit: 0 }] }], labTemporal());
}, 120_000);

afterAll(() => lab.stop());

describe('post-command', () => {
  it('ends the run of a VM, waits until all of it is let go, and has nothing to do the second time', async () => {
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
    await lab.vcenter.heal();
    await lab.vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 20_000 });
    const installPath = await installed(lab);
    const first = await historic(lab, 'postCommand', installPath, 'web');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toContain('waiting until it has let go');
    expect((await ran).code).toBe(1);
    await lab.vcenter.heal();
    expect(await leftovers(lab)).toEqual([]);
    expect(await historic(lab, 'postCommand', installPath, 'web')).toMatchObject({ code: 0, stderr: '' });
  });

  it('fails where the VM is not known, and says how it is used where it is not named', async () => {
    expect(await historic(lab, 'postCommand', await installed(lab), 'nobody')).toMatchObject({ code: 1 });
    expect(await historic(lab, 'postCommand', '/opt/vcb')).toMatchObject({ code: 2 });
  });
});

describe('vcbCleanup', () => {
  it('is everthaw cleanup with the flags of old, and warns of a password that others see', async () => {
    const { EVERTHAW_HOST: host = '', EVERTHAW_PASSWORD: password = '' } = lab.everthaw.environment;
    const cleanup = await historic(lab, 'vcbCleanup', '-y', '-h', host, '-u', 'backup-user', '-p', password);
    expect(cleanup).toMatchObject({ code: 0, stdout: 'nothing is left over\n' });
    expect(cleanup.stderr).toContain('visible in the process list');
    expect(await historic(lab, 'vcbCleanup', '--nonsense')).toMatchObject({ code: 2 });
  });
});

describe('config.js', () => {
  it('says all of a backup, also that whatever certificate the host shows is to be believed', async () => {
    const installPath = await installed(lab, 'TRANSPORT_MODE="nbdssl";', 'VERIFY_SSL_CERTIFICATES=0;');
    const ran = await run(process.execPath, [EVERTHAW, 'backup', 'web', '--install-path', installPath], {
      env: { ...hostless(lab), EVERTHAW_CA_FILE: '' },
      mayFail: true,
    });
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stderr).toMatch(
      /^warning: nobody vouches for the certificate of .* Its thumbprint is [0-9A-F:]{95}\n$/,
    );
    expect(await lab.diskIn(lab.directoryOf('web'))).toBe(await lab.diskOf('web'));
    expect(await leftovers(lab)).toEqual([]);
  });

  it('that names no transport means san, and nothing else is taken for it', async () => {
    const ran = await run(
      process.execPath,
      [EVERTHAW, 'backup', 'web', '--install-path', await installed(lab)],
      {
        env: hostless(lab),
        mayFail: true,
      },
    );
    expect(refusal(ran, 2)).toContain('choose transport "san": this transport mode is not built yet');
  });

  it('with problems is refused with all of them, before anybody is asked', async () => {
    const installPath = await installed(lab, 'MAX_RETRY=3;', 'PREEXISTING_MOUNTPOINT=require("fs");');
    const line = refusal(await historic(lab, 'postCommand', installPath, 'web'), 2);
    expect(line).toContain('2 problems');
    expect(line).toMatch(/config\.js:8: unknown option "MAX_RETRY"; did you mean MAX_RETRIES\?/);
    expect(line).toMatch(/config\.js:9: PREEXISTING_MOUNTPOINT is neither/);
  });
});

describe('backuptools.conf', () => {
  it('tells vcbCleanup the host, by commands too, if nobody else can have written it', async () => {
    const {
      EVERTHAW_HOST: host = '',
      EVERTHAW_PORT: port,
      EVERTHAW_PASSWORD: password,
    } = lab.everthaw.environment;
    const file = join(lab.everthaw.directory, 'backuptools.conf');
    const secret = join(lab.everthaw.directory, 'password');
    const cleanUp = (): Promise<Ran> => {
      const program = fileURLToPath(new URL('../../src/cli/vcbCleanup.js', import.meta.url));
      return run(process.execPath, [program, '-y'], {
        env: { ...hostless(lab), EVERTHAW_PORT: port, EVERTHAW_BACKUPTOOLS_CONF: file },
        mayFail: true,
      });
    };
    await writeFile(secret, `${password ?? ''}\n`, { mode: 0o600 });
    await writeFile(
      file,
      `# The console\nVCHOST=${host}\nUSERNAME="backup-$(echo user)"\nPASSWORD="$(cat '${secret}')"\n`,
      { mode: 0o600 },
    );
    expect(await cleanUp()).toMatchObject({ code: 0, stdout: 'nothing is left over\n', stderr: '' });
    await writeFile(secret, 'another\n');
    expect(refusal(await cleanUp())).toContain('log in');
    await chmod(file, 0o666);
    expect(refusal(await cleanUp(), 2)).toContain('can be written by others (mode 666)');
  });
});
