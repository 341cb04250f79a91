import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** Of each version a directory with what it recorded. */
export const HISTORIES = `${ROOT}/test/upgrades/histories`;
