import { isFailed, type Verdict } from './case.js';

/** A case in one line; with what is wrong below it. */
export function tellVerdict(number: number, host: string, verdict: Verdict): string {
  const { plan, told, ended, letGoMs, measured, isHit } = verdict;
  const times = Object.entries(measured)
    .filter(([name]) => name !== 'work')
    .map(([name, ms]) => `, ${name} after ${seconds(ms)}`)
    .join('');
  const missed = isHit ? '' : ' (it had ended)';
  const line = `#${number} seed ${plan.seed} ${host} ${plan.job.name}: ${told}${missed} -> ${ended}, let go in ${seconds(letGoMs)}${times}`;
  if (!isFailed(verdict)) return line;
  const wrong = [
    ...verdict.leftOver.map((each) => `left over: ${each}`),
    ...verdict.wrongBytes.map((each) => `wrong bytes: ${each}`),
    ...verdict.otherProblems,
  ];
  return [`${line}  FAILED`, ...wrong.map((each) => `      ${each}`)].join('\n');
}

/** The last line of a run of the suite. */
export function tellAll(verdicts: readonly Verdict[]): string {
  const count = (of: (verdict: Verdict) => readonly string[]) =>
    verdicts.reduce((sum, verdict) => sum + of(verdict).length, 0);
  const slowest = Math.max(0, ...verdicts.map(({ letGoMs }) => letGoMs));
  const failed = verdicts.filter(isFailed).length;
  return [
    `kills ${verdicts.length}`,
    `left over ${count(({ leftOver }) => leftOver)}`,
    `wrong bytes ${count(({ wrongBytes }) => wrongBytes)}`,
    `slowest let go ${seconds(slowest)}`,
    ...(failed === 0 ? [] : [`failed ${failed}`]),
  ].join(', ');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
