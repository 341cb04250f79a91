import { readSettings } from '../../src/config/settings.js';
import { resolveTemporal } from '../../src/temporal/program.js';
import { run } from './run.js';
import { labTemporal } from './temporal.js';

/** A run's whole history as Temporal's own program shows it, with what is packed in it unpacked. */
export async function historyOf(workflowId: string): Promise<string> {
  const settings = readSettings();
  const temporal = await resolveTemporal(
    { ...settings.temporal, cacheDirectory: settings.cacheDirectory },
    () => undefined,
  );
  const { stdout } = await run(temporal, [
    ...['workflow', 'show', '--address', labTemporal().address, '--namespace', labTemporal().namespace],
    ...['--workflow-id', workflowId, '-o', 'json'],
  ]);
  const packed = [...stdout.matchAll(/"data":\s*"([A-Za-z0-9+/=]+)"/g)];
  return [stdout, ...packed.map(([, data = '']) => Buffer.from(data, 'base64').toString('utf8'))].join('\n');
}
