import type { SettingDeclaration } from './declaration.js';
import { GIVEN, SECONDS, MIB, PATH } from './kinds.js';

const HOST_PATH = {
  is: 'text',
  shape: /^\/\P{Cc}*$/u,
  allowed: 'a path of the host that begins with /',
} as const;

/** Of a libvirt host. */
export const LIBVIRT_HOST_SETTINGS = {
  pointInTime: {
    kind: { is: 'oneOf', words: ['auto', 'pull', 'overlay'] },
    what: 'libvirt: pull (a backup job), overlay (an external snapshot), or auto',
    env: 'EVERTHAW_POINT_IN_TIME',
    flag: '--point-in-time <way>',
    section: 'libvirt',
    key: 'pointInTime',
    default: 'auto',
  },
  scratchDirectory: {
    kind: HOST_PATH,
    what: 'libvirt: where on the host old blocks are kept meanwhile',
    env: 'EVERTHAW_SCRATCH_DIRECTORY',
    flag: '--scratch-directory <directory>',
    section: 'libvirt',
    key: 'scratchDirectory',
    defaultTold: 'beside the first disk',
  },
  socketDirectory: {
    kind: HOST_PATH,
    what: 'libvirt: where on the host sockets are made, for hosts that confine QEMU to places of their choice',
    env: 'EVERTHAW_SOCKET_DIRECTORY',
    section: 'libvirt',
    key: 'socketDirectory',
    defaultTold: 'within the scratch directory',
  },
  scratchFloorMib: {
    kind: MIB,
    what: 'libvirt: room on the host (MiB) that is never used up',
    env: 'EVERTHAW_SCRATCH_FLOOR_MIB',
    section: 'libvirt',
    key: 'scratchFloorMib',
    default: 256,
  },
  freezeUnguarded: {
    kind: { is: 'yesNo' },
    what: 'libvirt: freeze guests in which the dead-man’s switch cannot be armed',
    env: 'EVERTHAW_FREEZE_UNGUARDED',
    flag: '--freeze-unguarded',
    section: 'libvirt',
    key: 'freezeUnguarded',
    default: false,
  },
  freezeSeconds: {
    kind: { is: 'wholeNumber', from: 1, to: 60 },
    what: 'libvirt: seconds that a freeze may take, after which the guest ends it by itself',
    env: 'EVERTHAW_FREEZE_SECONDS',
    section: 'libvirt',
    key: 'freezeSeconds',
    default: 8,
  },
  scriptTimeoutS: {
    kind: SECONDS,
    what: 'libvirt: seconds that a script in the guest may take',
    env: 'EVERTHAW_SCRIPT_TIMEOUT_S',
    section: 'libvirt',
    key: 'scriptTimeoutS',
    default: 60,
  },
  nbdTransport: {
    kind: { is: 'oneOf', words: ['unix', 'tls'] },
    what: 'libvirt: unix (a socket, over ssh through a tunnel) or tls, by which disks are read',
    env: 'EVERTHAW_NBD_TRANSPORT',
    flag: '--nbd-transport <way>',
    section: 'libvirt',
    key: 'nbdTransport',
    default: 'unix',
  },
  nbdCertificates: {
    kind: PATH,
    what: 'libvirt, tls: directory of the proxy with ca-cert.pem, client-cert.pem, client-key.pem',
    env: 'EVERTHAW_NBD_CERTIFICATES',
    section: 'libvirt',
    key: 'nbdCertificates',
  },
  nbdAddress: {
    kind: GIVEN,
    what: 'libvirt, tls: where QEMU listens and is reached',
    env: 'EVERTHAW_NBD_ADDRESS',
    section: 'libvirt',
    key: 'nbdAddress',
    defaultTold: 'the host in the URI, else localhost',
  },
  nbdPort: {
    kind: { is: 'wholeNumber', from: 1, to: 65_472 },
    what: 'libvirt, tls: the first of 64 ports of which each backup takes a free one',
    env: 'EVERTHAW_NBD_PORT',
    section: 'libvirt',
    key: 'nbdPort',
    default: 10_809,
  },
} as const satisfies Record<string, SettingDeclaration>;
