/* Kinds of values that settings of several sorts have. */

export const GIVEN = { is: 'text', allowed: 'a text' } as const;
export const SECONDS = { is: 'wholeNumber', from: 1, to: 365 * 24 * 3600 } as const;
export const MIB = { is: 'wholeNumber', from: 0, to: 1024 ** 3 } as const;
export const PATH = { is: 'path' } as const;
