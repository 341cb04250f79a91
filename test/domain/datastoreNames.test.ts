import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { directoryOfUrl, isCalled, pathByLabel, pathByUuid } from '../../src/domain/datastoreNames.js';

const label = fc.stringMatching(/^[^[\]/]{1,42}$/).filter((text) => text.trim() === text);
const uuid = fc.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const stores = fc
  .uniqueArray(fc.record({ label, uuid }), { minLength: 1, selector: (store) => store.label })
  .filter((all) => new Set(all.map((store) => store.uuid)).size === all.length)
  .map((all) => all.map((store) => ({ label: store.label, directory: `/vmfs/volumes/${store.uuid}` })));
const file = fc
  .array(fc.stringMatching(/^[^/]{1,20}$/), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'))
  .filter((path) => path.trim() === path);

describe('a datastore’s names', () => {
  it('lead from the path by uuid to the path by label and back, and from the link of its label too', () => {
    fc.assert(
      fc.property(stores, file, fc.nat(), (all, path, pick) => {
        const store = all[pick % all.length]!;
        const byLabel = `[${store.label}] ${path}`;
        const byUuid = `${store.directory}/${path}`;
        expect(pathByLabel(byUuid, all)).toBe(byLabel);
        expect(pathByLabel(`/vmfs/volumes/${store.label}/${path}`, all)).toBe(byLabel);
        expect(pathByLabel(byLabel, all)).toBe(byLabel);
        expect(pathByUuid(byLabel, all)).toBe(byUuid);
      }),
    );
  });

  it('say nothing of a datastore that is not there', () => {
    const all = [{ label: 'one', directory: '/vmfs/volumes/4a' }];
    expect(pathByLabel('/vmfs/volumes/4ab/web.vmx', all)).toBeUndefined();
    expect(pathByUuid('[oneself] web.vmx', all)).toBeUndefined();
    expect(pathByLabel('/vmfs/volumes/4a', all)).toBe('[one]');
    expect(pathByUuid('[one]', all)).toBe('/vmfs/volumes/4a');
  });

  it.each([
    'one',
    '[one]',
    '/vmfs/volumes/4a',
    '/vmfs/volumes/4a/',
    'ds:///vmfs/volumes/4a/',
    '/vmfs/volumes/one',
  ])('are all taken where one is wished for: %s', (name) => {
    expect(isCalled(name, { label: 'one', directory: directoryOfUrl('ds:///vmfs/volumes/4a/') })).toBe(true);
    expect(isCalled(name, { label: 'two', directory: '/vmfs/volumes/4b' })).toBe(false);
  });
});
