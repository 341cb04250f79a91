import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { refusal } from '../lab/refusal.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;

beforeAll(async () => {
  const small = await makeDisk('small', 16, 4);
  lab = await Lab.start([{ name: 'web', disks: [{ ...small, unit: 0 }] }], labTemporal(), [
    '--certificate-names',
    'localhost.localdomain',
  ]);
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  expect(await leftovers(lab)).toEqual([]);
});

describe('a host whose certificate has another name than its address, as ESX hosts have', () => {
  it('is refused though its CA is known', async () => {
    expect(refusal(await lab.backup('web'))).toMatch(
      /check the certificate of "127\.0\.0\.1": .*altnames.*\. Hint: /,
    );
  });

  it('is believed by its thumbprint by lease, from backup to restore', async () => {
    const directory = join(lab.everthaw.backups, 'by-lease');
    expect(await lab.backup('web', '--to', directory, ...byThumbprint())).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await lab.restore(directory, '--name', 'copy', ...byThumbprint())).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await lab.vcenter.vm('copy')).disks).toHaveLength(1);
  });

  it('is refused over the datastore, which is read by a program that knows no thumbprints', async () => {
    const ran = await lab.backup('web', '--transport', 'nbdssl:datastore', ...byThumbprint());
    expect(refusal(ran)).toMatch(
      /read disk scsi0:0 of "web" by nbdssl:datastore: the host’s certificate, known by its thumbprint, is not for "127\.0\.0\.1"\. Hint: use the transport nbdssl:lease/,
    );
  });
});

function byThumbprint(): readonly string[] {
  return ['--thumbprint', lab.vcenter.ready.thumbprintSha256];
}
