import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { Command } from 'commander';
import { BenchLab } from './benchLab.js';
import { commandStart } from './commandStart.js';
import { datastoreCopy } from './datastoreCopy.js';
import type { Figure, Row } from './figure.js';
import { guestFreeze } from './guestFreeze.js';
import { guestImage } from './guestImage.js';
import { guestRun } from './guestRun.js';
import { leaseExport } from './leaseExport.js';
import { listBackups } from './listBackups.js';
import { mountedVolumes } from './mountedVolumes.js';
import { nbdcopySettings } from './nbdcopySettings.js';
import { restoreUpload } from './restoreUpload.js';
import { vmList } from './vmList.js';
import { workerMemory } from './workerMemory.js';
import { workflowOverhead } from './workflowOverhead.js';
import { formatRows } from './table.js';

const FIGURES: readonly Figure[] = [
  leaseExport,
  datastoreCopy,
  restoreUpload,
  workerMemory,
  workflowOverhead,
  commandStart,
  listBackups,
  vmList,
  guestImage,
  guestRun,
  guestFreeze,
  mountedVolumes,
  nbdcopySettings,
];
/** What only explains another figure is measured when asked for. */
const USUAL = FIGURES.filter((figure) => figure !== nbdcopySettings).map(({ name }) => name);

interface Flags {
  readonly only?: readonly string[];
  readonly runs: string;
  readonly json?: string;
}

const names = FIGURES.map(({ name }) => name);
const flags = new Command('bench')
  .description('measure what docs/benchmarks.md tells of, side by side with the native tools')
  .option('--only <names...>', `some of ${names.join(', ')}`)
  .option('--runs <number>', 'pairs, or runs, of each figure', '5')
  .option('--json <file>', 'write the figures there too')
  .parse()
  .opts<Flags>();

const unknown = flags.only?.find((name) => !names.includes(name));
if (unknown !== undefined) throw new Error(`no figure is called "${unknown}": there are ${names.join(', ')}`);

const lab = await BenchLab.start();
const rows: Row[] = [];
try {
  for (const figure of FIGURES) {
    if (!(flags.only ?? USUAL).includes(figure.name)) continue;
    console.log(`\n${figure.name}: ${figure.title}`);
    rows.push(...(await figure.measure(lab, Number(flags.runs))));
  }
} finally {
  await lab.stop();
}

const machine = `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`;
console.log(`\n${machine}; medians (least-most)\n\n${formatRows(rows)}`);
if (flags.json !== undefined)
  await writeFile(flags.json, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
// What a figure says is for people to judge: a busy machine is no failure. Sessions' idle connections are not waited for.
process.exit(0);
