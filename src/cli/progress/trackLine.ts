import { formatBytes, formatDuration } from '../../domain/format.js';
import { printable } from '../../domain/printable.js';
import type { Track } from './tracks.js';

const WIDTH = 30;

/**
 * `disk scsi0:0 [=====-----] 50% 1.0 GiB of 2.0 GiB, 97 MiB/s, 11 s left`. Where the total is not known there is neither a
 * percentage nor a time left, and a note stands where the bar would.
 */
export function trackLine({ what, bytes, totalBytes, note, state }: Track, bytesPerSecond?: number): string {
  const name = printable(what);
  if (state === 'done') return `${name} [${bar(1)}] done, ${formatBytes(bytes)}`;
  const rate = state === 'moving' && bytesPerSecond !== undefined ? `, ${formatBytes(bytesPerSecond)}/s` : '';
  const end = state === 'ended' ? ', not finished' : '';
  if (totalBytes === undefined || totalBytes === 0)
    return `${name} [${note.padEnd(WIDTH)}] ${formatBytes(bytes)} so far${rate}${end}`;
  const share = Math.min(1, bytes / totalBytes);
  const left =
    rate === '' || bytesPerSecond === undefined || bytesPerSecond <= 0
      ? ''
      : `, ${formatTimeLeft((totalBytes - bytes) / bytesPerSecond)} left`;
  return `${name} [${bar(share)}] ${Math.floor(share * 100)}% ${formatBytes(bytes)} of ${formatBytes(totalBytes)}${rate}${left}${end}`;
}

function bar(share: number): string {
  return '='.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '-');
}

/** Whole seconds: more is not known. */
function formatTimeLeft(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return whole < 60 ? `${whole} s` : formatDuration(whole * 1000);
}
