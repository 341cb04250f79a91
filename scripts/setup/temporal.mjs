import { SetupError } from './report.mjs';

/** Sees that there is a Temporal server to start, by the product's own resolver. */
export async function resolveServer() {
  const { readSettings } = await import('../../dist/src/config/settings.js');
  const { resolveTemporal } = await import('../../dist/src/temporal/program.js');
  const { temporal, cacheDirectory } = readSettings();
  if (temporal.address !== undefined) return;
  const startedAt = Date.now();
  let said = false;
  try {
    await resolveTemporal({ ...temporal, path: process.env.PATH, cacheDirectory }, (line) => {
      said = true;
      console.log(`set-up: ${line}`);
    });
  } catch (error) {
    throw new SetupError(`${error.what}: ${error.why}`, error.hint);
  }
  if (said) console.log(`set-up: Temporal server: done in ${Math.round((Date.now() - startedAt) / 1000)} s`);
}
