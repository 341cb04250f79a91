import * as z from 'zod';

/** A guest that stands still for longer is as good as down. */
export const LONGEST_FREEZE_SECONDS = 60;

/** How many backups of one host may serve disks by TLS at the same time. */
export const NBD_PORTS = 64;

/** How Everthaw works with a libvirt host; everything has a default. */
export const LIBVIRT_SETTINGS = z.object({
  /** `pull`: a backup job with an NBD export; `overlay`: an external snapshot; `auto`: pull where the host can. */
  pointInTime: z.enum(['auto', 'pull', 'overlay']).default('auto'),
  /** Where on the host scratch files and overlays are put; the directory of the VM's first disk where not said. */
  scratchDirectory: z.string().startsWith('/').optional(),
  /**
   * Where on the host sockets are made; within the scratch directory where not said. For hosts that confine QEMU (SELinux, AppArmor)
   * to places of their own choice.
   */
  socketDirectory: z.string().startsWith('/').optional(),
  /**
   * How the bytes of disks come to the proxy: `unix`, by a socket on the host, over ssh through a tunnel; `tls`, over the network from
   * QEMU itself, with the certificates of `backup_tls_x509_cert_dir` in the host's qemu.conf.
   */
  nbdTransport: z.enum(['unix', 'tls']).default('unix'),
  /** For `tls`, on the proxy: `ca-cert.pem`, and `client-cert.pem` and `client-key.pem` where the host asks for them. */
  nbdCertificates: z.string().startsWith('/').optional(),
  /** For `tls`: where QEMU listens and is reached, and what its certificate says; the host's name in the URI where not said. */
  nbdAddress: z.string().min(1).optional(),
  /** For `tls`: the first of the ports of which a backup takes one that is free. */
  nbdPort: z
    .number()
    .int()
    .positive()
    .max(65_536 - NBD_PORTS)
    .default(10_809),
  /** Below this the backup is given up, so that the VM is not paused for want of room. */
  scratchFloorBytes: z
    .number()
    .int()
    .nonnegative()
    .default(256 * 1024 * 1024),
  /** Freeze guests whose agent does not let us arm the dead-man's switch. */
  freezeUnguarded: z.boolean().default(false),
  scriptTimeoutMs: z.number().int().positive().default(60_000),
  /** After so long the guest lets its own freeze go, whoever died. */
  switchSeconds: z.number().int().positive().max(LONGEST_FREEZE_SECONDS).default(8),
});

export type LibvirtSettings = z.infer<typeof LIBVIRT_SETTINGS>;
