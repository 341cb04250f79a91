import * as z from 'zod';
import { EverthawError } from '../../domain/errors.js';
import type { JsonObject } from '../../domain/vm.js';
import { readControllers, readDisks } from './devices.js';
import { encodeName } from './inventory.js';
import { MARK_KEY } from './mark.js';
import { child, children, text, typed, typeOf, type XmlElement, type XmlInput } from './xml.js';

/**
 * What of a VM's settings is kept to make it again: hardware, devices and options, not what the host derives. Network cards
 * keep their MAC address; a CD-ROM comes back empty.
 */
const CONFIGURATION = z.object({
  guestId: z.string(),
  version: z.string(),
  annotation: z.string(),
  firmware: z.string(),
  cpus: z.number().int().positive(),
  coresPerSocket: z.number().int().nonnegative(),
  memoryMB: z.number().int().positive(),
  controllers: z.array(z.object({ type: z.string(), key: z.number(), busNumber: z.number() })),
  disks: z.array(
    z.object({
      label: z.string(),
      controllerKey: z.number(),
      unitNumber: z.number(),
      capacityBytes: z.number(),
      thin: z.boolean(),
    }),
  ),
  networkCards: z.array(
    z.object({
      type: z.string(),
      macAddress: z.string(),
      addressType: z.string(),
      network: z.string(),
      portgroupKey: z.string(),
      switchUuid: z.string(),
    }),
  ),
  extraConfig: z.record(z.string(), z.string()),
});

export type VmConfiguration = z.infer<typeof CONFIGURATION>;

/** Keys that name files or state of the old VM and would mislead the new one. */
const DERIVED_KEYS =
  /^(everthaw\.|migrate\.|sched\.swap\.|vmxstats\.|guestinfo\.|nvram$|svga\.|monitor\.phys_bits_used)/;

export function readConfiguration(config: XmlInput | undefined): VmConfiguration {
  const hardware = child(config, 'hardware');
  const devices = children(hardware, 'device');
  const disks = readDisks(devices);
  return {
    guestId: text(config, 'guestId'),
    version: text(config, 'version'),
    annotation: text(config, 'annotation'),
    firmware: text(config, 'firmware'),
    cpus: Number(text(hardware, 'numCPU')) || 1,
    coresPerSocket: Number(text(hardware, 'numCoresPerSocket')) || 0,
    memoryMB: Number(text(hardware, 'memoryMB')),
    controllers: readControllers(devices).map(({ type, key, busNumber }) => ({ type, key, busNumber })),
    disks: disks.map(({ label, controller, unitNumber, capacityBytes, node }) => ({
      label,
      controllerKey: controller.key,
      unitNumber,
      capacityBytes,
      thin: text(node, 'backing', 'thinProvisioned') !== 'false',
    })),
    networkCards: devices
      .filter((device) => text(device, 'macAddress') !== '')
      .map((device) => ({
        type: typeOf(device),
        macAddress: text(device, 'macAddress'),
        addressType: text(device, 'addressType'),
        network: text(device, 'backing', 'deviceName'),
        portgroupKey: text(device, 'backing', 'port', 'portgroupKey'),
        switchUuid: text(device, 'backing', 'port', 'switchUuid'),
      })),
    extraConfig: Object.fromEntries(
      children(config, 'extraConfig')
        .map((option) => [text(option, 'key'), text(option, 'value')] as const)
        .filter(([key]) => !DERIVED_KEYS.test(key)),
    ),
  };
}

/** The configuration within a manifest. @throws EverthawError BackupDamaged */
export function parseConfiguration(json: JsonObject): VmConfiguration {
  const parsed = CONFIGURATION.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new EverthawError({
    code: 'BackupDamaged',
    what: 'read the VM’s configuration in the manifest',
    why: z.prettifyError(parsed.error).replaceAll('\n', '; '),
    hint: 'the disks can still be restored by hand (docs/formats.md)',
  });
}

export interface ConfigSpecOptions {
  readonly name: string;
  readonly mark: string;
  /** Of the VM's own files. */
  readonly datastore: string;
  readonly diskDatastore: (label: string) => string;
  /** Path of a disk that lies on the datastore already; without it the disk is made. */
  readonly existingDisk?: (label: string) => string;
}

/** A VirtualMachineConfigSpec; its keys stand in the schema's order, which the host insists on. */
export function configSpec(configuration: VmConfiguration, options: ConfigSpecOptions): XmlElement {
  const { existingDisk } = options;
  return {
    name: encodeName(options.name),
    ...(configuration.version === '' ? {} : { version: configuration.version }),
    guestId: configuration.guestId,
    annotation: configuration.annotation,
    files: { vmPathName: `[${options.datastore}]` },
    numCPUs: configuration.cpus,
    ...(configuration.coresPerSocket > 0 ? { numCoresPerSocket: configuration.coresPerSocket } : {}),
    memoryMB: configuration.memoryMB,
    deviceChange: [
      ...configuration.controllers
        // A VM comes with its two IDE controllers.
        .filter(({ type }) => type !== 'VirtualIDEController')
        .map((controller) =>
          added(
            typed(controller.type, {
              key: controller.key,
              busNumber: controller.busNumber,
              ...(/SCSI|Lsi|BusLogic/.test(controller.type) ? { sharedBus: 'noSharing' } : {}),
            }),
          ),
        ),
      ...configuration.disks.map((disk, index) =>
        added(
          typed('VirtualDisk', {
            key: -(index + 1) * 100,
            backing: typed('VirtualDiskFlatVer2BackingInfo', {
              fileName: existingDisk?.(disk.label) ?? `[${options.diskDatastore(disk.label)}]`,
              diskMode: 'persistent',
              ...(existingDisk === undefined ? { thinProvisioned: disk.thin } : {}),
            }),
            controllerKey: disk.controllerKey,
            unitNumber: disk.unitNumber,
            capacityInKB: disk.capacityBytes / 1024,
            capacityInBytes: disk.capacityBytes,
          }),
          existingDisk === undefined ? 'create' : undefined,
        ),
      ),
      ...configuration.networkCards.map((card, index) =>
        added(
          typed(card.type, {
            key: -(index + 1) * 100 - 1,
            backing:
              card.portgroupKey === ''
                ? typed('VirtualEthernetCardNetworkBackingInfo', { deviceName: card.network })
                : typed('VirtualEthernetCardDistributedVirtualPortBackingInfo', {
                    port: { switchUuid: card.switchUuid, portgroupKey: card.portgroupKey },
                  }),
            connectable: { startConnected: true, allowGuestControl: true, connected: false },
            ...(card.addressType === '' ? {} : { addressType: card.addressType }),
            macAddress: card.macAddress,
          }),
        ),
      ),
    ],
    extraConfig: [...Object.entries(configuration.extraConfig), [MARK_KEY, options.mark]].map(
      ([key, value]) => typed('OptionValue', { key, value: { '@xsi:type': 'xsd:string', '#text': value } }),
    ),
    ...(configuration.firmware === '' ? {} : { firmware: configuration.firmware }),
  };
}

function added(device: XmlElement, fileOperation?: 'create'): XmlElement {
  return { operation: 'add', ...(fileOperation === undefined ? {} : { fileOperation }), device };
}
