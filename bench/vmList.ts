import { fileURLToPath } from 'node:url';
import { GOVC } from '../test/lab/programs.js';
import { run } from '../test/lab/run.js';
import { LabVcenter } from '../test/lab/vcenter.js';
import type { BenchLab } from './benchLab.js';
import { atMost, type Figure, type Row } from './figure.js';
import { inPairs } from './pairs.js';

const VMS = 5000;
const MOST_SECONDS = 2;
const VCB_VM_NAME = fileURLToPath(new URL('../src/cli/vcbVmName.js', import.meta.url));

/** A whole inventory: login, reading it by pages, printing it, logout. Processor time: the lab's vCenter works on the same machine. */
export const vmList: Figure = {
  name: 'vms',
  title: `vcbVmName -s any: over ${VMS} VMs, against govc find, which tells paths only; processor time`,
  async measure(_lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const vcenter = await LabVcenter.start([], ['--crowd', String(VMS)]);
    try {
      const env = {
        ...process.env,
        ...vcenter.everthawEnvironment(),
        ...vcenter.govcEnvironment(),
        EVERTHAW_STATE: vcenter.directory,
      };
      const list = () => processorSeconds(env, /^name:/gm, process.execPath, VCB_VM_NAME, '-s', 'any:');
      // The first time it notes all addresses.
      await list();
      const spreads = await inPairs(runs, list, () =>
        processorSeconds(env, /^.+$/gm, GOVC, 'find', '/', '-type', 'm'),
      );
      const wanted = atMost(MOST_SECONDS, 's', spreads.ours.median);
      return [{ what: `list ${VMS} VMs (processor time)`, ...spreads, unit: 's', wanted }];
    } finally {
      await vcenter.stop();
    }
  },
};

/** User's and system's time of a program that lists all VMs. @throws Error where it lists others */
async function processorSeconds(
  env: NodeJS.ProcessEnv,
  each: RegExp,
  ...command: readonly string[]
): Promise<number> {
  const { stdout, stderr } = await run('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$@"', 'bash', ...command], {
    env,
  });
  const found = stdout.match(each)?.length ?? 0;
  if (found !== VMS) throw new Error(`${found} VMs were listed`);
  const [user = NaN, system = NaN] = stderr.trim().split(/\s+/).slice(-2).map(Number);
  return user + system;
}
