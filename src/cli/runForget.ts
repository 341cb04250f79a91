import { randomUUID } from 'node:crypto';
import type { Settings } from '../config/settings.js';
import { EverthawError, messageOf } from '../domain/errors.js';
import { formatAge, formatBytes } from '../domain/format.js';
import { printable } from '../domain/printable.js';
import { hasRules, judgeRetention, vmKeyOf, type Decision, type KeepRules } from '../domain/retention.js';
import { forgetDoomed, type ForgetOutcome } from '../destinations/forgetDoomed.js';
import { endForgetting, forgetPoint } from '../destinations/forgetPoint.js';
import { surveyOf, type Retained, type Survey } from '../destinations/retainedPoints.js';
import { heldElsewhere } from '../integrations/heldElsewhere.js';
import { parseSpan } from '../domain/spanOfTime.js';
import { isAgreed } from './agreement.js';
import type { ForgetFlags } from './forget.js';
import { repositories } from '../requests/moduleChoice.js';
import { EXIT, Output } from './output.js';
import { storedBackupsBelow, storedPlace } from './storedBackups.js';
import { formatTable } from './table.js';
import { wholeNumber } from './values.js';

const MOST = 100_000;

/** Shows what rules make of the backups below directories, asks, and removes what no rule keeps. @throws EverthawError */
export async function runForget(
  settings: Settings,
  directories: readonly string[],
  flags: ForgetFlags,
): Promise<void> {
  const output = new Output(flags.json);
  const { timeZone } = settings;
  const rules = rulesOf(flags);
  const isAsked = !flags.dryRun && !flags.yes;
  if (isAsked && (flags.json || !process.stdin.isTTY)) throw nobodyAsked();
  const survey = surveyOf(await storedBackupsBelow(directories, 'one file system'));
  const nowMs = Date.now();
  const decisions = judgeRetention(survey.points, rules, {
    ...{ nowMs, zone: timeZone, lastRunFailed: survey.lastRunFailed },
  }).filter(({ point }) => flags.vm?.includes(point.vmUuid) ?? true);
  tell(decisions, survey, { nowMs, timeZone }, output);
  const doomed = decisions.flatMap(({ point, forget }) => (forget ? [point] : []));
  if (flags.dryRun || doomed.length + survey.removing.length === 0) return;
  if (isAsked && !(await isAgreed(questionOf(doomed, decisions.length, survey.removing.length), output)))
    return;
  const elsewhere = heldElsewhere(repositories(settings));
  const isGone: boolean[] = [];
  const told = (directory: string, outcome: ForgetOutcome): void => {
    isGone.push(tellOutcome(directory, outcome, output));
  };
  await forgetDoomed(
    doomed,
    async ({ listed, runId }) =>
      forgetPoint(await storedPlace(listed.directory), runId, randomUUID(), elsewhere),
    ({ listed }, outcome) => {
      told(listed.directory, outcome);
    },
  );
  for (const directory of survey.removing) {
    const ended = endForgetting(await storedPlace(directory), elsewhere);
    told(directory, await ended.catch((error: unknown) => ({ state: 'failed', why: messageOf(error) })));
  }
  const failed = isGone.filter((isDone) => !isDone).length;
  output.say(`${isGone.length - failed} removed${failed === 0 ? '' : `, ${failed} not`}`);
  if (failed > 0) process.exitCode = failed < isGone.length ? EXIT.partial : EXIT.failed;
}

/** @throws EverthawError WrongUsage where none is given */
function rulesOf(flags: ForgetFlags): KeepRules {
  const count = (flag: string, text: string | undefined): number =>
    text === undefined ? 0 : wholeNumber(flag, text, 1, MOST);
  const rules = {
    last: count('--keep-last', flags.keepLast),
    hourly: count('--keep-hourly', flags.keepHourly),
    daily: count('--keep-daily', flags.keepDaily),
    weekly: count('--keep-weekly', flags.keepWeekly),
    monthly: count('--keep-monthly', flags.keepMonthly),
    yearly: count('--keep-yearly', flags.keepYearly),
    withinMs: flags.keepWithin === undefined ? 0 : withinOf(flags.keepWithin),
  };
  if (hasRules(rules)) return rules;
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'forget backups',
    why: 'no rule says what is kept',
    hint: 'say one, as --keep-daily 7',
  });
}

/** @throws EverthawError WrongUsage */
function withinOf(text: string): number {
  const span = parseSpan(text);
  if (span !== undefined) return span;
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'read --keep-within',
    why: `${JSON.stringify(text)} is no number of hours, days or weeks`,
    hint: 'write --keep-within 36h, 14d or 8w',
  });
}

function nobodyAsked(): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: 'forget backups',
    why: 'nobody can be asked here',
    hint: 'say --yes, or --dry-run to see only',
  });
}

function tell(
  decisions: readonly Decision<Retained>[],
  { untouched, removing }: Survey,
  at: { readonly nowMs: number; readonly timeZone: string },
  output: Output,
): void {
  if (output.json) for (const decision of decisions) output.result(asObject(decision), []);
  else if (decisions.length === 0) output.say('no backup is there');
  else for (const line of tableOf(decisions, at)) output.say(line);
  for (const { directory, why } of untouched)
    output.result({ directory, untouched: true, why }, [printable(`untouched: ${directory}: ${why}`)]);
  for (const directory of removing)
    output.result({ directory, removing: true }, [
      printable(`removing: ${directory}: it was forgotten before`),
    ]);
}

function asObject({ point, forget, reasons }: Decision<Retained>): object {
  const { directory, vm, vmUuid, hostUuid, pointInTime, sizeBytes } = point.listed;
  return { directory, vm, vmUuid, hostUuid, pointInTime, sizeBytes, forget, reasons };
}

/** By VM and time, however often the VM was renamed. */
function tableOf(
  decisions: readonly Decision<Retained>[],
  { nowMs, timeZone }: { readonly nowMs: number; readonly timeZone: string },
): readonly string[] {
  const time = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const rows = decisions
    .toSorted(({ point: one }, { point: other }) => {
      const [a, b] = [vmKeyOf(one), vmKeyOf(other)];
      return a === b ? one.at - other.at : a < b ? -1 : 1;
    })
    .map(({ point, forget, reasons }) => [
      ...[forget ? 'forget' : 'keep', point.listed.vm, point.vmUuid.slice(0, 8), time.format(point.at)],
      ...[formatAge(nowMs - point.at), formatBytes(point.listed.sizeBytes)],
      ...[point.listed.directory, reasons.join('; ')],
    ]);
  const headings = ['', 'VM', 'uuid', `point (${timeZone})`, 'age', 'size', 'directory', 'because'];
  return formatTable(
    headings,
    rows.map((row) => row.map(printable)),
  );
}

function questionOf(doomed: readonly Retained[], all: number, removing: number): string {
  const bytes = doomed.reduce((sum, { listed }) => sum + listed.sizeBytes, 0);
  const rest = removing === 0 ? '' : ` and remove what is left of ${removing}`;
  return `forget ${doomed.length} of ${all} backups (${formatBytes(bytes)})${rest}?`;
}

/** @returns whether it is gone */
function tellOutcome(directory: string, outcome: ForgetOutcome, output: Output): boolean {
  const isGone = outcome.state === 'forgotten' || outcome.state === 'gone';
  const line = isGone
    ? `${outcome.state === 'gone' ? 'gone already' : 'removed'}: ${directory}`
    : `not removed: ${directory}: ${outcome.why}`;
  output.result({ directory, ...outcome }, [printable(line)]);
  return isGone;
}
