import { describe, expect, it } from 'vitest';
import { describeDisk, readDisks } from '../../src/hosts/vsphere/devices.js';
import { readConfiguration } from '../../src/hosts/vsphere/configuration.js';
import { flattenSnapshots } from '../../src/hosts/vsphere/description.js';
import { faultOfBody, faultOfMethod, translate } from '../../src/hosts/vsphere/faults.js';
import {
  buildEnvelope,
  child,
  children,
  parseXml,
  readRef,
  refXml,
  text,
  type XmlInput,
} from '../../src/hosts/vsphere/xml.js';
import { anyText, mutated, vmNames } from './generators.js';
import { clearly, expectClear, fuzz } from './fuzz.js';

const HEAD = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body>`;
const TAIL = '</soapenv:Body></soapenv:Envelope>';

const CONFIG = `${HEAD}<config><name>db &amp; co&#xA;two</name><hardware><numCPU>2</numCPU><memoryMB>256</memoryMB>
<device xsi:type="ParaVirtualSCSIController"><key>1000</key><busNumber>0</busNumber><sharedBus>noSharing</sharedBus></device>
<device xsi:type="VirtualDisk"><key>2000</key><backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds] db/db.vmdk</fileName>
<diskMode>persistent</diskMode><thinProvisioned>true</thinProvisioned></backing><controllerKey>1000</controllerKey><unitNumber>0</unitNumber>
<capacityInKB>1024</capacityInKB><capacityInBytes>1048576</capacityInBytes></device>
<device xsi:type="VirtualVmxnet3"><key>4000</key><macAddress>00:50:56:aa:bb:cc</macAddress></device></hardware>
<extraConfig><key>a</key><value xsi:type="xsd:string">b</value></extraConfig></config>
<snapshot><rootSnapshotList><snapshot type="VirtualMachineSnapshot">snapshot-1</snapshot><name>_VCB_BACKUP_</name>
<description>Made by Everthaw</description><createTime>2026-11-22T18:11:48Z</createTime><quiesced>true</quiesced>
<childSnapshotList><snapshot type="VirtualMachineSnapshot">snapshot-2</snapshot><name>mine</name></childSnapshotList></rootSnapshotList></snapshot>${TAIL}`;
const FAULT = `${HEAD}<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>Permission denied</faultstring>
<detail><NoPermissionFault xsi:type="NoPermission"><object type="Folder">group-d1</object><privilegeId>System.View</privilegeId></NoPermissionFault></detail></soapenv:Fault>${TAIL}`;

function bodyOf(xml: string): XmlInput | undefined {
  return clearly(() => parseXml(xml), 'read the host’s answer')?.['soapenv:Envelope'];
}

function strings(value: unknown): void {
  for (const each of Object.values(value as object)) expect(typeof each).not.toBe('function');
}

describe('a host’s answer', () => {
  fuzz('is understood, or is no answer', mutated(CONFIG), (xml) => {
    const body = child(bodyOf(xml), 'soapenv:Body');
    const config = child(body, 'config');
    const devices = children(child(config, 'hardware'), 'device');
    const disks = clearly(() => readDisks(devices), 'read the disks of a VM');
    for (const disk of (disks ?? []).map(describeDisk)) {
      expect(disk.label).toMatch(/^(scsi|sata|nvme|ide)\d+:\d+$/);
      expect(disk.capacityBytes).toBeGreaterThanOrEqual(0);
    }
    if (disks !== undefined) strings(readConfiguration(config));
    for (const snapshot of flattenSnapshots(children(child(body, 'snapshot'), 'rootSnapshotList')))
      strings(snapshot);
  });

  it('that has a disk at a controller that is not known is told, and the disk not left out', () => {
    const strange = CONFIG.replace('ParaVirtualSCSIController', 'VirtualTapeController');
    const devices = children(child(bodyOf(strange), 'soapenv:Body', 'config', 'hardware'), 'device');
    expect(() => readDisks(devices)).toThrow(
      'its disk "[ds] db/db.vmdk" hangs on a controller that is not known (key "1000")',
    );
  });

  fuzz('that is a fault is told in one line', mutated(FAULT), (xml) => {
    const fault = child(bodyOf(xml), 'soapenv:Body', 'soapenv:Fault');
    for (const each of [faultOfBody(fault), faultOfMethod(fault ?? '')]) {
      const error = translate('list the VMs', each);
      expectClear(error, 'list the VMs: ');
      expect(typeof error.code).toBe('string');
    }
  });

  fuzz('of any text is understood, or is no answer', anyText, (xml) => {
    bodyOf(xml);
    bodyOf(`${HEAD}${xml}${TAIL}`);
    readRef(child(bodyOf(`${HEAD}<r type="VirtualMachine">${xml}</r>${TAIL}`), 'soapenv:Body', 'r'));
  });

  fuzz('comes back from what is sent: a name is no XML', vmNames, (name) => {
    const sent = buildEnvelope('Find', { _this: refXml({ type: 'Folder', value: 'a' }), name });
    const found = child(parseXml(sent), 'soapenv:Envelope', 'soapenv:Body', 'Find');
    expect(text(found, 'name')).toBe(name);
    expect(Object.keys(found as object)).toEqual(['_this', 'name', '@xmlns']);
  });
});
