import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { BYTES_ATTRIBUTE, SEARCH_ATTRIBUTES } from '../../src/domain/names.js';
import { PROMTOOL } from '../lab/programs.js';
import { run } from '../lab/run.js';

const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

const RULES = root('packaging/prometheus/everthaw.rules.yml');

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

const metricsIn = (text: string): readonly string[] =>
  [...new Set(text.match(/\beverthaw_\w+/g) ?? [])].sort();

/** Those that docs/metrics.md tells of. */
async function told(): Promise<readonly string[]> {
  return metricsIn(await readFile(root('docs/metrics.md'), 'utf8'));
}

describe('the alarms for Prometheus', () => {
  it('are rules to promtool, and each is raised at its edge and not before', async () => {
    expect((await run(PROMTOOL, ['check', 'rules', RULES])).stdout).toContain('SUCCESS: 8 rules found');
    const tests = root('packaging/prometheus/everthaw.rules.test.yml');
    expect((await run(PROMTOOL, ['test', 'rules', tests])).stdout).toContain('SUCCESS');
    const { tests: each } = parse(await readFile(tests, 'utf8')) as {
      tests: readonly { alert_rule_test: readonly { alertname: string; exp_alerts: readonly unknown[] }[] }[];
    };
    const raised = each
      .flatMap(({ alert_rule_test: all }) => all)
      .filter(({ exp_alerts: alerts }) => alerts.length > 0);
    const rules = (await readFile(RULES, 'utf8')).match(/(?<=alert: )\w+/g);
    expect(raised.map(({ alertname }) => alertname).sort()).toEqual(rules?.sort());
  });

  it('ask for metrics that there are', async () => {
    const names = await told();
    for (const metric of metricsIn((await readFile(RULES, 'utf8')).replaceAll('everthaw cleanup', '')))
      expect(names).toContain(metric);
  });
});

describe('the dashboard for Grafana', () => {
  it('asks for metrics that there are, in words that Prometheus understands', async () => {
    const { panels } = JSON.parse(
      await readFile(root('packaging/grafana/everthaw.json'), 'utf8'),
    ) as Dashboard;
    const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(5);
    const names = await told();
    for (const metric of metricsIn(expressions.join('\n'))) expect(names).toContain(metric);
    const directory = await mkdtemp(join(tmpdir(), 'everthaw-rules-'));
    const rules = expressions.map((expr, n) => ({ record: `panel_${n}`, expr }));
    const file = join(directory, 'rules.yml');
    await writeFile(file, stringify({ groups: [{ name: 'panels', rules }] }));
    expect((await run(PROMTOOL, ['check', 'rules', file])).stdout).toContain(
      `SUCCESS: ${rules.length} rules`,
    );
    await rm(directory, { recursive: true });
  });
});

describe('what docker-compose.yml makes', () => {
  it('has every search attribute', async () => {
    const compose = await readFile(root('docker-compose.yml'), 'utf8');
    const made = (/for name in ([\w ]+); do/.exec(compose)?.[1] ?? '').split(' ');
    expect(made.sort()).toEqual(Object.values(SEARCH_ATTRIBUTES).sort());
    expect(compose).toContain(`--name ${BYTES_ATTRIBUTE} --type Int`);
  });
});
