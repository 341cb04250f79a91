import type { MarkedVm } from '../host.js';
import { summarise } from './inventory.js';
import { arrayOf, readAll, runTask } from './properties.js';
import type { VsphereSession } from './session.js';
import { ref, text, typed } from './xml.js';

/** Key in a VM's extraConfig that holds the owner record while it is being restored. */
export const MARK_KEY = 'everthaw.restoring';

export async function listMarkedVms(session: VsphereSession): Promise<readonly MarkedVm[]> {
  const all = await readAll(session, 'list VMs that are being restored', 'VirtualMachine', [
    'name',
    'config.instanceUuid',
    'runtime.powerState',
    'config.extraConfig',
  ]);
  return all.flatMap(({ object, properties }) => {
    const option = arrayOf(properties.get('config.extraConfig')).find(
      (candidate) => text(candidate, 'key') === MARK_KEY,
    );
    const mark = text(option, 'value');
    if (mark === '') return [];
    const { instanceUuid, moref, name, powerState } = summarise(object, properties);
    return [{ instanceUuid, moref, name, powerState, mark }];
  });
}

/** An empty value removes a key of extraConfig. */
export async function unmarkVm(session: VsphereSession, moref: string): Promise<void> {
  const option = typed('OptionValue', { key: MARK_KEY, value: { '@xsi:type': 'xsd:string', '#text': '' } });
  await runTask(
    session,
    `take the restoring mark off VM ${moref}`,
    ref('VirtualMachine', moref),
    'ReconfigVM_Task',
    { spec: { extraConfig: option } },
    new AbortController().signal,
  );
}
