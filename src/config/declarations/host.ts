import type { SettingDeclaration } from './declaration.js';
import { GIVEN, MIB, PATH } from './kinds.js';

/** SHA-1 or SHA-256, as servers show it. */
const THUMBPRINT = {
  is: 'text',
  shape: /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19}((:[0-9A-Fa-f]{2}){12})?$/,
  allowed: 'XX:XX:…, 20 bytes (SHA-1) or 32 (SHA-256)',
} as const;

/** Of the host, and how to log in to a vSphere one. */
export const HOST_SETTINGS = {
  host: {
    kind: GIVEN,
    what: 'vCenter Server, ESX host, or a libvirt URI as qemu:///system; or the name of a host in everthaw.yaml',
    env: 'EVERTHAW_HOST',
    flag: '--host <address>',
    section: 'defaults',
    key: 'host',
    configJs: 'HOST',
    conf: 'VCHOST',
    defaultTold: 'the only host of everthaw.yaml',
  },
  port: {
    kind: { is: 'wholeNumber', from: 1, to: 65_535 },
    what: 'vSphere: its HTTPS port',
    env: 'EVERTHAW_PORT',
    flag: '--port <number>',
    section: 'vsphere',
    key: 'port',
    configJs: 'PORT',
    default: 443,
  },
  username: {
    kind: GIVEN,
    what: 'vSphere: the backup user',
    env: 'EVERTHAW_USERNAME',
    flag: '--username <name>',
    section: 'vsphere',
    key: 'username',
    configJs: 'USERNAME',
    conf: 'USERNAME',
  },
  password: {
    kind: { is: 'secret' },
    what: 'vSphere: its password',
    env: 'EVERTHAW_PASSWORD',
    flag: '-p, --password <password>',
    configJs: 'PASSWORD',
    conf: 'PASSWORD',
    defaultTold: 'asked for on a terminal',
  },
  passwordFile: {
    kind: PATH,
    what: 'vSphere: file with its password',
    env: 'EVERTHAW_PASSWORD_FILE',
    flag: '--password-file <file>',
    section: 'vsphere',
    key: 'passwordFile',
  },
  thumbprint: {
    kind: THUMBPRINT,
    what: 'vSphere: thumbprint of the host’s certificate, SHA-256 or SHA-1',
    env: 'EVERTHAW_THUMBPRINT',
    flag: '--thumbprint <XX:XX:…>',
    section: 'vsphere',
    key: 'thumbprint',
    configJs: 'HOST_THUMBPRINT',
    conf: 'HOST_THUMBPRINT',
  },
  caFile: {
    kind: PATH,
    what: 'vSphere: CA that signed the host’s certificate',
    env: 'EVERTHAW_CA_FILE',
    flag: '--ca-file <file>',
    section: 'vsphere',
    key: 'caFile',
    defaultTold: 'the CAs that Node knows',
  },
  verifyCertificate: {
    kind: { is: 'oneOf', words: ['0', '1'] },
    what: 'vSphere: 0 believes whatever certificate the host shows',
    configJs: 'VERIFY_SSL_CERTIFICATES',
    default: '1',
  },
  datastoreFloorMib: {
    kind: MIB,
    what: 'vSphere: with less room (MiB) on one of the VM’s datastores a backup is not begun, and given up',
    env: 'EVERTHAW_DATASTORE_FLOOR_MIB',
    section: 'vsphere',
    key: 'datastoreFloorMib',
    defaultTold: '1024',
  },
  datastores: {
    kind: { is: 'map', allowed: 'labels of datastores by the labels or uuids that backups name' },
    what: 'vSphere: where disks are restored to that were on datastores of other names, if nothing else is said; in the environment as JSON',
    env: 'EVERTHAW_DATASTORES',
    section: 'vsphere',
    key: 'datastores',
    default: '{}',
    defaultTold: 'each goes to the one of its name',
  },
} as const satisfies Record<string, SettingDeclaration>;
