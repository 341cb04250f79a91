import { localShell, type HostShell } from '../../src/system/hostShell.js';
import { parseAddress } from '../../src/hosts/libvirt/connection/libvirtUri.js';
import { LIBVIRT_SETTINGS } from '../../src/hosts/libvirt/connection/settings.js';
import { takeSnapshot } from '../../src/hosts/libvirt/snapshot/takeSnapshot.js';
import { Virsh } from '../../src/hosts/libvirt/connection/virsh.js';

// A process that takes a point in time, to be killed: it says so on standard output when it is about to freeze.
const [, , uri = '', vmUuid = '', runId = '', pointInTime = ''] = process.argv;

const telling: HostShell = {
  ...localShell,
  run: (program, args, options) => {
    if (args.some((argument) => argument.includes('domfsfreeze'))) console.log('freezing');
    return localShell.run(program, args, options);
  },
};

await takeSnapshot(
  { virsh: new Virsh(telling, parseAddress(uri).uri), settings: LIBVIRT_SETTINGS.parse({ pointInTime }) },
  vmUuid,
  { name: 'test', description: runId, runId, quiesce: true },
  new AbortController().signal,
);
