import { join, resolve } from 'node:path';
import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { MANIFEST_FILE } from '../domain/manifest.js';
import { partialName } from '../domain/names.js';
import { isScpUrl } from '../domain/scpUrl.js';
import { exists } from '../destinations/directory.js';
import { HoldingRecords, type HoldingRecord } from '../holdings/records.js';
import { endAndLetGo } from './letGoOfVm.js';

/**
 * `vcbMounter -U` (F11): ends what stands in a directory for other software, as post-command does; of what a dead run left there it lets
 * go. What a living run still builds stays, and a whole backup is never touched.
 *
 * @throws EverthawError WrongUsage where nothing of a run is there
 */
export async function unmount(settings: Settings, text: string, json: boolean): Promise<void> {
  const directory = isScpUrl(text) ? text : resolve(text);
  const records = new HoldingRecords(stateDirectories(settings).holdings);
  const handedOver = [...(await records.list('stagedExport')), ...(await records.list('volumeMount'))];
  const staged = handedOver.find(({ id }) => id === directory);
  const found = staged ?? (await records.list('partialDirectory')).find(isBuiltAs(directory));
  if (found === undefined) throw await notMounted(directory);
  const { hostUuid, vmUuid: instanceUuid } = found.owner;
  await endAndLetGo(settings, { hostUuid, instanceUuid }, { endsRun: staged !== undefined, json });
}

function isBuiltAs(directory: string): (record: HoldingRecord) => boolean {
  return ({ id, owner }) => id === directory || id === partialName(directory, owner.runId);
}

async function notMounted(directory: string): Promise<EverthawError> {
  const isBackup = !isScpUrl(directory) && (await exists(join(directory, MANIFEST_FILE)));
  return new EverthawError({
    code: 'WrongUsage',
    what: `unmount "${directory}"`,
    why: isBackup
      ? 'nothing is mounted there: it is a backup, and whole'
      : 'no run of this proxy has anything there',
    hint: isBackup
      ? 'a backup that is not wanted any more is removed by hand'
      : 'name the directory that pre-command printed; what is left over elsewhere, vcbCleanup lists',
  });
}
