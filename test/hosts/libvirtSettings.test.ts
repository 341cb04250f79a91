import { describe, expect, it } from 'vitest';
import { readSettings } from '../../src/config/settings.js';
import { parseAddress } from '../../src/hosts/libvirt/connection/libvirtUri.js';

describe('how a libvirt host is worked with', () => {
  const read = (env: NodeJS.ProcessEnv) => readSettings(env).libvirt;

  it('lets a freeze take between a second and a minute', () => {
    expect(read({}).switchSeconds).toBe(8);
    expect(read({ EVERTHAW_FREEZE_SECONDS: '20' }).switchSeconds).toBe(20);
    for (const seconds of ['0', '61', '-1', 'long']) {
      expect(() => read({ EVERTHAW_FREEZE_SECONDS: seconds })).toThrow(
        expect.objectContaining({
          code: 'WrongUsage',
          message: expect.stringContaining('EVERTHAW_FREEZE_SECONDS') as string,
        }),
      );
    }
  });

  it('gives ssh an IPv6 address without the brackets that a URI needs', () => {
    expect(parseAddress('qemu+ssh://backup@[2001:db8::1]/system').ssh?.destination).toBe(
      'backup@2001:db8::1',
    );
    expect(parseAddress('qemu+ssh://[::1]/system').ssh?.destination).toBe('::1');
  });
});
