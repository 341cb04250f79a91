import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatScpUrl, parseScpUrl, scpUrlBelow } from '../../src/domain/scpUrl.js';

describe('an scp URL', () => {
  it.each([
    ['scp://backup@store:/vault/vms', { destination: 'backup@store', path: '/vault/vms' }],
    ['scp://backup@store:2222/vault', { destination: 'backup@store', port: 2222, path: '/vault' }],
    ['scp://store/vault', { destination: 'store', path: '/vault' }],
    ['scp://backup@[fe80::1%eth0]:22/v', { destination: 'backup@fe80::1%eth0', port: 22, path: '/v' }],
    ['scp://backup@store://vault//vms/', { destination: 'backup@store', path: '/vault/vms' }],
    ['scp://backup@store:/', { destination: 'backup@store', path: '/' }],
    ["scp://store:/a b/$(c)'%2F@:\n", { destination: 'store', path: "/a b/$(c)'%2F@:\n" }],
  ])('%j is understood', (url, place) => {
    expect(parseScpUrl(url)).toEqual(place);
    expect(parseScpUrl(formatScpUrl(parseScpUrl(url)))).toEqual(place);
  });

  it.each([
    ['scp://backup@store', /names no host and absolute path/],
    ['scp://backup@store:vault', /names no host and absolute path/],
    ['scp:///vault', /no host has such a name/],
    ['scp://-oProxyCommand=x/vault', /no host has such a name/],
    ['scp://-oProxyCommand=x@store:/vault', /no user has such a name/],
    ['scp://a;b@store:/vault', /no user has such a name/],
    ['scp://store;reboot:/vault', /no host has such a name/],
    ['scp://store:70000/vault', /70000 is no number of a port/],
    ['scp://store:/vault/../etc', /has parts "\." or "\.\."/],
    ['scp://store:/vault\0', /no path has a NUL/],
  ])('%j is refused', (url, why) => {
    expect(() => parseScpUrl(url)).toThrow(why);
  });

  it('with a password is refused, and the password is not told', () => {
    expect(() => parseScpUrl('scp://backup:secret@store:/vault')).toThrow(
      /use "scp:\/\/backup:\*\*\*@store:\/vault" as a destination: a password is taken from nowhere/,
    );
  });

  it('has places below it by any name of a file', () => {
    const name = fc.string({ minLength: 1 }).filter((each) => !/^\.{1,2}$|[/\0]/.test(each));
    fc.assert(
      fc.property(name, (each) => {
        expect(parseScpUrl(scpUrlBelow('scp://store:/', each)).path).toBe(`/${each}`);
        expect(parseScpUrl(scpUrlBelow('scp://store:/v', each)).path).toBe(`/v/${each}`);
      }),
    );
  });
});
