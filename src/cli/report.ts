import { writeWhole } from '../system/wholeFile.js';
import type { Settings } from '../config/settings.js';
import { byDay, byVm, lastDays, resultOf, type DayResult, type VmHistory } from '../domain/pastRuns.js';
import { printable } from '../domain/printable.js';
import { reportPage } from '../report/page.js';
import { runsSince } from '../temporal/pastRuns.js';
import { Output } from './output.js';
import { formatTable } from './table.js';
import { accessTemporal } from './temporalAccess.js';

export interface ReportOptions {
  readonly html?: string;
  readonly days: number;
  readonly json: boolean;
}

/** One character a day. */
const LETTERS: Readonly<Record<DayResult, string>> = {
  succeeded: '+',
  running: '>',
  held: '!',
  cancelled: 'c',
  failed: 'X',
};

/** `everthaw report`: how the last days' backups ended. */
export async function report(settings: Settings, { html, days: count, json }: ReportOptions): Promise<void> {
  const { timeZone, version } = settings;
  const output = new Output(json);
  const now = new Date();
  const days = lastDays(now, count, timeZone);
  const { client } = await accessTemporal(settings);
  try {
    // A day more than a day's hours: the first one begins somewhere within it.
    const since = new Date(now.getTime() - (count + 1) * 86_400_000);
    const histories = byVm(await runsSince(client, since));
    if (html !== undefined) {
      await writeWhole(html, reportPage({ histories, days, timeZone, now, version }));
      output.result({ html, vms: histories.length }, [`${histories.length} VMs, ${count} days: ${html}`]);
      return;
    }
    say(output, histories, days, timeZone);
  } finally {
    await client.connection.close();
  }
}

function say(
  output: Output,
  histories: readonly VmHistory[],
  days: readonly string[],
  timeZone: string,
): void {
  const results = ({ runs }: VmHistory) => {
    const runsOn = byDay(runs, timeZone);
    return days.map((day) => resultOf(runsOn(day)));
  };
  if (output.json) {
    for (const history of histories) {
      const told = results(history).map((result, n) => [days[n] ?? '', result ?? null] as const);
      output.result({ vm: history.vm, days: Object.fromEntries(told) }, []);
    }
    return;
  }
  const [first = '', last = first] = [days[0], days.at(-1)];
  const rows = histories.map((history) => [
    printable(history.vm),
    results(history)
      .map((result) => (result === undefined ? '.' : LETTERS[result]))
      .join(''),
  ]);
  for (const line of formatTable(['VM', `${first} to ${last}`], rows)) output.say(line);
  output.say('+ good  X failed  c cancelled  > running  ! held  . none');
}
