const HOUR_MS = 3600_000;
const UNITS_MS: Readonly<Record<string, number>> = { h: HOUR_MS, d: 24 * HOUR_MS, w: 7 * 24 * HOUR_MS };

export const SPAN_FORM = 'hours, days or weeks, as 36h, 14d or 8w';

/** Ms of a span of time as people write it: {@link SPAN_FORM}; undefined where it is none. */
export function parseSpan(text: string): number | undefined {
  const [, count = '0', unit = ''] = /^([1-9]\d{0,4})([hdw])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  return unitMs === undefined ? undefined : Number(count) * unitMs;
}
