import * as z from 'zod';

/** File within a restore point that keeps it from being forgotten. The manifest does not list it, and is never written again. */
export const PROTECTED_FILE = '.everthaw-protected';

/** Far more than a reason takes. */
export const LARGEST_PROTECTION_BYTES = 64 * 1024;

export interface Protection {
  readonly reason: string;
  /** ISO 8601, by the clock of who protected it. */
  readonly since: string;
}

const PROTECTION: z.ZodType<Protection> = z.object({ reason: z.string(), since: z.string() });

export function formatProtection(protection: Protection): string {
  return `${JSON.stringify(protection)}\n`;
}

/** Why a restore point with this mark is kept. One that cannot be read protects all the same. */
export function reasonIn(mark: string): string {
  try {
    return PROTECTION.parse(JSON.parse(mark)).reason;
  } catch {
    return `somebody said so, but ${PROTECTED_FILE} cannot be read`;
  }
}
