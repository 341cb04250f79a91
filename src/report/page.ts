import { formatAgo, formatBytes, formatDuration } from '../domain/format.js';
import { byDay, rateOf, resultOf, type PastRun, type VmHistory } from '../domain/pastRuns.js';
import { html, type Html } from './html.js';
import { plot } from './plot.js';
import { STYLE } from './style.js';

export interface ReportedDays {
  readonly histories: readonly VmHistory[];
  /** `2026-11-24`, the oldest first. */
  readonly days: readonly string[];
  readonly timeZone: string;
  readonly now: Date;
  readonly version: string;
}

/** How many runs that did not succeed are listed. */
const MOST_LISTED = 200;

/**
 * One page of its own, without scripts and without anything that would have to be fetched: a grid of VM by day, coloured by result; sizes and
 * rates as small plots; and what did not succeed.
 */
export function reportPage(reported: ReportedDays): string {
  const { histories, days, timeZone, now, version } = reported;
  const good = histories.filter(({ lastSuccess }) => lastSuccess !== undefined).length;
  const page = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>Everthaw: backups from ${days[0]} to ${days.at(-1)}</title>
      <style>
        ${{ text: STYLE }}
      </style>
    </head>
    <body>
      <h1>Backups from ${days[0]} to ${days.at(-1)}</h1>
      <p>
        ${good} of ${histories.length} VMs have a good backup in this time. Written ${now.toISOString()}, days
        by the clocks of ${timeZone}; Everthaw ${version}.
      </p>
      ${gridOf(reported)} ${troubleOf(histories)}
    </body>
  </html>`;
  return `<!DOCTYPE html>\n${page.text}\n`;
}

function gridOf({ histories, days, timeZone }: ReportedDays): Html {
  return html`<table class="grid">
      <thead>
        <tr>
          <th>VM</th>
          ${days.map((day) => html`<th class="day" title="${day}">${day.slice(8)}</th>`)}
          <th>last good</th>
          <th>size</th>
          <th>rate</th>
        </tr>
      </thead>
      <tbody>
        ${histories.map((history) => {
          const runsOn = byDay(history.runs, timeZone);
          const good = history.runs.filter(({ state }) => state === 'succeeded').toReversed();
          const { lastSuccess } = history;
          const rate = lastSuccess === undefined ? undefined : rateOf(lastSuccess);
          return html`<tr>
            <th>${history.vm}</th>
            ${days.map((day) => cellOf(day, runsOn(day)))}
            <td>
              ${lastSuccess === undefined ? 'none' : formatAgo(lastSuccess.endedAt ?? lastSuccess.startedAt)}
            </td>
            <td>
              ${plot(good.map(({ bytes = 0 }) => bytes))}
              ${lastSuccess?.bytes === undefined ? '' : formatBytes(lastSuccess.bytes)}
            </td>
            <td>
              ${plot(good.map((run) => rateOf(run) ?? 0))}
              ${rate === undefined ? '' : `${formatBytes(rate)}/s`}
            </td>
          </tr> `;
        })}
      </tbody>
    </table>
    <p class="key">
      ${(['succeeded', 'failed', 'cancelled', 'running', 'held'] as const).map((state) => html`<span class="${state}">${MARKS[state]}</span> ${state} `)}
    </p>`;
}

/** Told by more than its colour, for whoever sees none. */
const MARKS = { succeeded: '✓', failed: '✗', cancelled: '–', running: '…', held: '!' } as const;

function cellOf(day: string, runs: readonly PastRun[]): Html {
  const result = resultOf(runs);
  if (result === undefined) return html`<td></td>`;
  const told = runs.map(({ state, kind, job }) => `${kind} ${state}${job === undefined ? '' : ` (${job})`}`);
  return html`<td class="${result}" title="${day}: ${told.join(', ')}">${MARKS[result]}</td>`;
}

function troubleOf(histories: readonly VmHistory[]): Html {
  const bad = histories
    .flatMap(({ runs }) => runs)
    .filter(({ state }) => state !== 'succeeded' && state !== 'running')
    .sort((one, other) => other.startedAt.getTime() - one.startedAt.getTime());
  if (bad.length === 0) return html`<p>Every backup of these days succeeded, or runs.</p>`;
  return html`<h2>What did not succeed</h2>
    <table>
      <thead>
        <tr>
          <th>VM</th>
          <th>begun</th>
          <th>ended as</th>
          <th>after</th>
          <th>job</th>
          <th>run</th>
        </tr>
      </thead>
      <tbody>
        ${bad.slice(0, MOST_LISTED).map(
          ({ vm, startedAt, endedAt, state, job, workflowId, runId }) =>
            html`<tr>
              <th>${vm}</th>
              <td>${startedAt.toISOString()}</td>
              <td>${state}</td>
              <td>${endedAt === undefined ? '' : formatDuration(endedAt.getTime() - startedAt.getTime())}</td>
              <td>${job ?? ''}</td>
              <td><code>${workflowId} ${runId}</code></td>
            </tr> `,
        )}
      </tbody>
    </table>
    <p>
      ${bad.length > MOST_LISTED ? `${bad.length - MOST_LISTED} more are not listed. ` : ''}Why a run failed
      is on its page in the Temporal UI, and in what <code>everthaw jobs show</code> tells.
    </p>`;
}
