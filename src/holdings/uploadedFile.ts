import { parseOwner } from '../domain/owner.js';
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
      ? { state: 'present', why: `${holding.place.storage} ${holding.directory} holds our owner file` }
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

async function isOurs(holding: HoldingOf<'uploadedFile'>, { hosts }: ReleaseTools): Promise<boolean> {
  const host = await hosts.open(holding.vm.hostUuid, holding.run.runId);
  const text = await host.readText(holding.place, `${holding.directory}/${UPLOAD_OWNER_FILE}`);
  return text !== undefined && parseOwner(text)?.runId === holding.run.runId;
}
