import { fileURLToPath } from 'node:url';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The product's cache; the same place as in src/config/settings.ts, which is not yet built when this is needed. */
export const CACHE = resolve(
  process.env.EVERTHAW_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'everthaw'),
);
