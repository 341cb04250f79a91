import type { Row } from './figure.js';
import type { Spread } from './statistics.js';

const HEADINGS = ['', 'ours', 'reference', 'ratio', 'wanted', 'reached'] as const;

/** The result as padded lines: medians, with the least and the most in brackets. */
export function formatRows(rows: readonly Row[]): string {
  return formatTable(
    HEADINGS,
    rows.map(({ what, ours, reference, ratio, unit, wanted }) => [
      what,
      formatSpread(ours, unit),
      formatSpread(reference, unit),
      formatSpread(ratio),
      wanted?.text ?? '',
      wanted === undefined ? '' : wanted.isReached ? 'yes' : 'NO',
    ]),
  );
}

export function formatTable(headings: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...lines.map((cells) => cells[column]?.length ?? 0)),
  );
  const format = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [format(headings), widths.map((width) => '-'.repeat(width)).join('  '), ...lines.map(format)].join(
    '\n',
  );
}

function formatSpread(spread: Spread | undefined, unit = ''): string {
  if (spread === undefined) return '';
  const digits = unit === 'MiB' || unit === 'ms' ? 0 : 2;
  const [median, minimum, maximum] = [spread.median, spread.minimum, spread.maximum].map((value) =>
    value.toFixed(digits),
  );
  const range = minimum === maximum ? '' : ` (${minimum ?? ''}-${maximum ?? ''})`;
  return `${median ?? ''}${unit === '' ? '' : ` ${unit}`}${range}`;
}
