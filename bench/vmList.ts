import { fileURLToPath } from 'node:url';
import { run } from '../test/lab/run.js';
import { LabVcenter } from '../test/lab/vcenter.js';
import type { BenchLab } from './benchLab.js';
import { atMost, type Figure, type Row } from './figure.js';
import { inPairs, seconds } from './pairs.js';

const VMS = 5000;
const MOST_SECONDS = 2;
const VCB_VM_NAME = fileURLToPath(new URL('../src/cli/vcbVmName.js', import.meta.url));

/** A whole inventory: login, reading it by pages, printing it, logout. */
export const vmList: Figure = {
  name: 'vms',
  title: `vcbVmName -s any: over ${VMS} VMs, against govc vm.info`,
  async measure(_lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const vcenter = await LabVcenter.start([], ['--crowd', String(VMS)]);
    try {
      const env = {
        ...process.env,
        ...vcenter.everthawEnvironment(),
        EVERTHAW_STATE: vcenter.directory,
      };
      const list = async () => {
        const { stdout } = await run(process.execPath, [VCB_VM_NAME, '-s', 'any:'], { env });
        const found = stdout.split('Found VM:').length - 1;
        if (found !== VMS) throw new Error(`${found} VMs were listed`);
      };
      // The first time it notes all addresses.
      await list();
      const spreads = await inPairs(
        runs,
        () => seconds(list),
        () => seconds(() => vcenter.govc('vm.info', '*')),
      );
      const wanted = atMost(MOST_SECONDS, 's', spreads.ours.median);
      return [{ what: `list ${VMS} VMs`, ...spreads, unit: 's', wanted }];
    } finally {
      await vcenter.stop();
    }
  },
};
