import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatOwner } from '../../../src/domain/owner.js';
import { NAMESPACE } from '../../../src/hosts/libvirt/xml/metadata.js';
import type { LabGuest } from '../../lab/guest.js';
import type { LabLibvirt } from '../../lab/libvirt.js';
import type { Stage } from './stage.js';

/** A VM that another server's run is restoring at this moment. */
export const THEIRS = 'theirs.restoring-00000000';

/** Things on the host that look like ours, and are not. */
export async function plantStrangers(libvirt: LabLibvirt, bystander: LabGuest, stage: Stage): Promise<void> {
  await libvirt.virsh('snapshot-create-as', 'bystander', 'before-the-upgrade');
  const record = formatOwner(stage.strangersRecord());
  await plantHold(bystander, record);
  await plantHalfRestored(libvirt, record);
}

/** What a run of another server holds of a VM: its application was paused. */
async function plantHold({ directory, uuid }: LabGuest, description: string): Promise<void> {
  const hold = join(directory, `.everthaw-${uuid.slice(0, 8)}-theirs`);
  const owner = { vmUuid: uuid, vmName: 'bystander', runId: 'theirs' };
  await mkdir(hold, { mode: 0o711 });
  await writeFile(join(hold, 'owner.json'), JSON.stringify({ ...owner, description }));
  await writeFile(join(hold, 'paused.json'), JSON.stringify({ domainId: '1', bootId: 'theirs' }));
}

async function plantHalfRestored(libvirt: LabLibvirt, mark: string): Promise<void> {
  const uuid = '00000000-0000-4000-8000-00000000beef';
  const note = `<e:vm xmlns:e="${NAMESPACE}" id="${uuid}" uuid="${uuid}"><e:mark>${mark.replaceAll('"', '&quot;')}</e:mark></e:vm>`;
  const xml = join(libvirt.directory, 'theirs.xml');
  await writeFile(
    xml,
    `<domain type="qemu"><name>${THEIRS}</name><uuid>${uuid}</uuid><metadata>${note}</metadata><memory>1024</memory><os><type>hvm</type></os></domain>`,
  );
  await libvirt.virsh('define', xml);
}
