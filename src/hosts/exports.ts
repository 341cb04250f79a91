import type { ManifestDisk } from '../domain/manifest.js';
import type { RestorePlace } from '../domain/restores.js';
import type { JsonObject } from '../domain/vm.js';
import type { SourceProgram } from '../system/sourceProgram.js';

/** Tells the host that a transfer lives and how far it is, from 0 to 1. */
export type KeepAlive = (fraction: number) => Promise<void>;

/** One disk of a snapshot, open for reading. */
export type DiskExport =
  | {
      /** The whole disk once, in the form it is stored in (standard VMDK); it cannot be resumed. */
      readonly kind: 'stream';
      readonly source: SourceProgram;
      readonly keepAlive: KeepAlive;
      /** Ends the export and compares what the host says it sent. */
      finish(sizeBytes: number): Promise<void>;
    }
  | {
      /** An URL that answers ranges of the raw disk, to be served by nbdkit's curl plugin. */
      readonly kind: 'url';
      readonly url: string;
      readonly sizeBytes: number;
      readonly access: UrlAccess;
    }
  | {
      /** An NBD export that the host serves, on a socket of this proxy. It belongs to the snapshot and ends with it. */
      readonly kind: 'nbd';
      readonly socket: string;
      readonly exportName: string;
      readonly sizeBytes: number;
      /** Ends what this proxy put between (a tunnel). */
      close(): Promise<void>;
    };

/** What a native tool needs to reach an URL of the host. Secret: goes to a tool by file or standard input only. */
export interface UrlAccess {
  readonly cookie: string;
  /** PEM file of the certificate (or CA) to believe. */
  readonly caFile: string | undefined;
  /** curl's form of a pinned public key (`sha256//…`), where a thumbprint vouches for the host. */
  readonly pinnedPublicKey: string | undefined;
}

/** Notes of what a driver takes for a transfer, so that another process can release it. */
export interface LeaseNotes {
  /** Called before the host is asked for a lease. */
  intend(): Promise<void>;
  /** Called as soon as its id is known. */
  taken(leaseId: string): Promise<void>;
}

/** Notes for transports that take no lease. */
export const UNNOTED: LeaseNotes = {
  intend: () => Promise.resolve(),
  taken: () => Promise.resolve(),
};

export interface ImportRequest {
  readonly name: string;
  readonly configuration: JsonObject;
  readonly disks: readonly { readonly disk: ManifestDisk; readonly sizeBytes: number }[];
  readonly place: RestorePlace;
  /** The identity that it is to have in the end, where nobody else has it; else it gets one of its own. */
  readonly instanceUuid: string;
  /** Give it network addresses of its own: it will run beside its original. */
  readonly newAddresses: boolean;
  /** Text of the mark that says that the VM is not whole yet, and whose it is. */
  readonly mark: string;
}

/** An import under way: the VM exists, marked, and waits for its disks. */
export interface DiskImport {
  readonly moref: string;
  readonly instanceUuid: string;
  /** The program that uploads one file as that disk. */
  upload(disk: ManifestDisk, file: string): SourceProgram;
  readonly keepAlive: KeepAlive;
  /** Compares what the host says it got with what was sent, and ends the import. */
  finish(sent: readonly { readonly label: string; readonly sizeBytes: number }[]): Promise<void>;
}
