/** The spans of time of which one restore point each is kept, from the shortest. */
export const SPANS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

export type Span = (typeof SPANS)[number];

const DAY_MS = 24 * 3600_000;

/** Whether the time zone database knows it, as `Europe/Berlin` or `UTC`. */
export function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/**
 * Names the hour, day, week, month and year that a moment is in, by the clocks of a time zone: two moments have the same name where they
 * are in the same one. A week begins on Monday and is named after it. An hour that comes twice, because clocks are set back, is two.
 */
export function bucketsIn(zone: string): (atMs: number) => Readonly<Record<Span, string>> {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23' },
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', timeZoneName: 'longOffset' },
  });
  return (atMs) => {
    const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
    const [year = '', month = '', day = ''] = [parts.get('year'), parts.get('month'), parts.get('day')];
    const offset = parts.get('timeZoneName')?.replace('GMT', '') ?? '';
    const date = `${year}-${month}-${day}`;
    // Of dates alone: UTC has no clock that is set.
    const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day));
    const sinceMonday = (new Date(midnight).getUTCDay() + 6) % 7;
    return {
      hourly: `${date}T${parts.get('hour') ?? ''}h${offset === '' ? '+00:00' : offset}`,
      daily: date,
      weekly: `week of ${new Date(midnight - sinceMonday * DAY_MS).toISOString().slice(0, 10)}`,
      monthly: `${year}-${month}`,
      yearly: year,
    };
  };
}
