/** Domains as virt-install and virsh write them, shortened where nothing is to be seen. */

/** A Linux VM on q35 with UEFI, as `virt-install --boot uefi` makes it; running, with its chain told. */
export const UEFI = `<domain type='kvm' id='7' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web01</name>
  <uuid>3d5e8e1c-2f4f-4e0e-9a55-6f0c1c8f2a11</uuid>
  <genid>0f2b3d2e-84b8-4c7b-a1f0-62ab6b1c7d10</genid>
  <title>Web &amp; API &lt;production&gt;</title>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory unit='KiB'>4194304</memory>
  <currentMemory unit='KiB'>4194304</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <sysinfo type='smbios'>
    <system><entry name='uuid'>3d5e8e1c-2f4f-4e0e-9a55-6f0c1c8f2a11</entry></system>
  </sysinfo>
  <os>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.ms.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.ms.fd'>/var/lib/libvirt/qemu/nvram/web01_VARS.fd</nvram>
    <boot dev='hd'/>
  </os>
  <features><acpi/><apic/><smm state='on'/></features>
  <cpu mode='host-passthrough' check='none' migratable='on'/>
  <on_poweroff>destroy</on_poweroff>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/var/lib/libvirt/images/.everthaw-3d5e8e1c-2f4f-4e0e-9a55-6f0c1c8f2a11-r1/vda.overlay' index='3'/>
      <backingStore type='file' index='1'>
        <format type='qcow2'/>
        <source file='/var/lib/libvirt/images/web01.qcow2'/>
        <backingStore type='file' index='2'>
          <format type='raw'/>
          <source file='/var/lib/libvirt/images/debian-12.raw'/>
          <backingStore/>
        </backingStore>
      </backingStore>
      <target dev='vda' bus='virtio'/>
      <alias name='virtio-disk0'/>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    </disk>
    <disk type='block' device='disk'>
      <driver name='qemu' type='raw' cache='none' io='native'/>
      <source dev='/dev/vg0/web01-data' index='4'/>
      <backingStore/>
      <target dev='vdb' bus='virtio'/>
      <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu'/>
      <target dev='sda' bus='sata'/>
      <readonly/>
      <address type='drive' controller='0' bus='0' target='0' unit='0'/>
    </disk>
    <controller type='usb' index='0' model='qemu-xhci' ports='15'/>
    <interface type='network'>
      <mac address='52:54:00:aa:bb:cc'/>
      <source network='default' portid='c5a7b0d8-26b6-4f4e-9d29-5fd2ab6a1f8c' bridge='virbr0'/>
      <target dev='vnet6'/>
      <model type='virtio'/>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </interface>
    <channel type='unix'>
      <source mode='bind' path='/run/libvirt/qemu/channel/7-web01/org.qemu.guest_agent.0'/>
      <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>
    </channel>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
    <graphics type='vnc' port='5900' autoport='yes' listen='127.0.0.1' passwd='s3cret'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  <qemu:commandline><qemu:arg value='-msg'/><qemu:arg value='timestamp=on'/></qemu:commandline>
</domain>
`;

/** Disks on every bus, and of every kind that is refused. */
export const MANY_DISKS = `<domain type='qemu'>
  <name>many</name>
  <uuid>11111111-2222-4333-8444-555555555555</uuid>
  <devices>
    <disk type='file' device='disk'>
      <source file='/d/a.raw'/><target dev='sda' bus='scsi'/>
      <address type='drive' controller='1' bus='0' target='0' unit='4'/>
    </disk>
    <disk type='file' device='disk'>
      <source file='/d/b.raw'/><target dev='sdb' bus='scsi'/>
      <address type='drive' controller='1' bus='0' target='2' unit='4'/>
    </disk>
    <disk type='file' device='disk'><source file='/d/c.raw'/><target dev='sdc' bus='scsi'/></disk>
    <disk type='file' device='disk'><source file='/d/d.raw'/><target dev='sdd' bus='sata'/></disk>
    <disk type='file' device='disk'><source file='/d/e.raw'/><target dev='sde' bus='usb'/></disk>
    <disk type='file' device='disk'><source file='/d/f.raw'/><target dev='hdc' bus='ide'/></disk>
    <disk type='file' device='disk'><source file='/d/g.raw'/><target dev='vdaa'/></disk>
    <disk type='file' device='disk'><source file='/d/n.raw'/><target dev='nvme0n2' bus='nvme'/></disk>
    <disk type='file' device='floppy'><source file='/d/h.img'/><target dev='fda' bus='fdc'/></disk>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <source protocol='rbd' name='pool/image'><host name='mon1' port='6789'/></source>
      <target dev='vdc' bus='virtio'/>
    </disk>
    <disk type='network' device='cdrom'>
      <source protocol='https' name='/netinst.iso'><host name='deb.example' port='443'/></source>
      <target dev='sdf' bus='sata'/><readonly/>
    </disk>
    <disk type='volume' device='disk'><source pool='p' volume='v'/><target dev='vdd' bus='virtio'/></disk>
    <disk type='block' device='lun'><source dev='/dev/sdx'/><target dev='sdg' bus='scsi'/>
      <address type='drive' controller='0' bus='0' target='0' unit='9'/></disk>
    <disk type='file' device='disk'><source file='/d/i.raw'/><target dev='vde' bus='virtio'/><shareable/></disk>
    <disk type='file' device='disk'><source file='/d/j.raw'/><target dev='vdf' bus='virtio'/><transient/></disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/d/k.qcow2'><encryption format='luks'><secret type='passphrase' uuid='0'/></encryption></source>
      <target dev='vdg' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'><source file='/d/l.raw'/><target dev='vdh' bus='virtio'/><readonly/></disk>
  </devices>
</domain>`;

/** Names that are hard to carry. */
export const HARD_NAMES = `<domain type='qemu'>
  <name>a "b" 'c' &amp; d&#10;e 日本</name>
  <uuid>99999999-2222-4333-8444-555555555555</uuid>
  <!-- kept: a < b -->
  <description><![CDATA[<not an element> & so on]]></description>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/日本/it&apos;s "here"&#10; &gt; there.raw'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
<!-- the end -->
`;
