import { isDeepStrictEqual } from 'node:util';
import { formatOwner, parseOwner } from '../domain/owner.js';
import { GONE, runOf, vmOf, type HoldingOf, type Kind, type ReleaseTools } from './kind.js';

/** Owner file in a directory of a datastore that disks are uploaded to; taken away when the VM is whole. */
export const UPLOAD_OWNER_FILE = 'everthaw-owner.txt';

/** Disks uploaded to a directory of the datastore that is ours: its name carries the run, an owner file says so too. */
export const uploadedFile: Kind<'uploadedFile'> = {
  async release(holding, tools) {
    const host = await tools.hosts.open(holding.vm.hostUuid, holding.run.runId);
    if (await isOurs(holding, tools)) await host.deletePath(holding.place, holding.directory);
    await tools.records.remove('uploadedFile', holding.run);
  },

  async absence(holding, tools) {
    return (await isOurs(holding, tools))
      ? { state: 'present', why: `${holding.place.storage} ${holding.directory} is ours` }
      : GONE;
  },

  list: {
    on: 'proxy',
    async find({ records }) {
      return (await records.list('uploadedFile')).flatMap(({ owner, vmName, id }) => {
        if (id === undefined) return [];
        const { place, directory } = JSON.parse(id) as Pick<HoldingOf<'uploadedFile'>, 'place' | 'directory'>;
        const kind = 'uploadedFile' as const;
        return [
          {
            kind,
            key: `${place.storage} ${directory}`,
            what: `uploaded disks in ${place.storage} ${directory}`,
            owner,
            hostUuid: owner.hostUuid,
            holding: { kind, run: runOf(owner), vm: vmOf(owner, vmName), place, directory },
          },
        ];
      });
    },
  },
};

/**
 * Whether the owner file says so. A run that dies between making the directory and writing that file leaves less: a directory of
 * the name that we noted before, with nothing in it but the beginning of the text that we were about to write.
 */
async function isOurs(holding: HoldingOf<'uploadedFile'>, tools: ReleaseTools): Promise<boolean> {
  const { vm, run, place, directory } = holding;
  const host = await tools.hosts.open(vm.hostUuid, run.runId);
  const text = await host.readText(place, `${directory}/${UPLOAD_OWNER_FILE}`);
  if (parseOwner(text ?? '')?.runId === run.runId) return true;
  const noted = await tools.records.read('uploadedFile', run);
  if (noted?.id === undefined || !isDeepStrictEqual(JSON.parse(noted.id), { place, directory })) return false;
  if (!formatOwner(noted.owner).startsWith(text ?? '')) return false;
  const names = await host.listDirectory(place, directory);
  return names?.every((name) => name === UPLOAD_OWNER_FILE) ?? false;
}
