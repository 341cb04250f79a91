import * as z from 'zod';
import { EverthawError, messageOf } from '../../../domain/errors.js';
import type { HostShell } from '../../../system/hostShell.js';

const IMAGE = z.object({
  filename: z.string(),
  format: z.string(),
  'virtual-size': z.number(),
  'full-backing-filename': z.string().optional(),
  'backing-filename': z.string().optional(),
  'format-specific': z
    .object({
      data: z
        .object({
          'create-type': z.string().optional(),
          'data-file': z.string().optional(),
          extents: z.array(z.object({ filename: z.string() })).optional(),
        })
        .optional(),
    })
    .optional(),
});

/** What qemu-img says of an image, in our words. */
export interface ImageInfo {
  readonly path: string;
  readonly format: string;
  readonly capacityBytes: number;
  /** The image that this one is only the difference to. */
  readonly backing: string | undefined;
  /** Other files that hold a part of its data. */
  readonly parts: readonly string[];
  /** Of a VMDK. */
  readonly createType: string | undefined;
}

/** An image and what lies under it. It may be in use: what is read then is what was written last. */
export async function readImages(
  shell: HostShell,
  path: string,
  format: string,
): Promise<readonly ImageInfo[]> {
  const chain = ['info', '--backing-chain', '--force-share', '--output=json', '-f', format, '--', path];
  return z
    .array(IMAGE)
    .parse(await ask(shell, path, chain))
    .map(infoOf);
}

/** One image alone: nothing that it names is opened. */
export async function readImage(shell: HostShell, path: string, format: string): Promise<ImageInfo> {
  const alone = ['info', '--force-share', '--output=json', '-f', format, '--', path];
  return infoOf(IMAGE.parse(await ask(shell, path, alone)));
}

async function ask(shell: HostShell, path: string, args: readonly string[]): Promise<unknown> {
  const { exit, stdout, stderr } = await shell.run('qemu-img', args);
  const failed = (why: string): EverthawError =>
    new EverthawError({
      code: exit === 127 ? 'ProgramMissing' : 'HostFault',
      what: `look at the image ${path}`,
      why,
      hint:
        exit === 127
          ? `install qemu-utils on ${shell.where}`
          : 'see that it is there and whole: qemu-img info',
      retry: 'again',
    });
  if (exit !== 0) throw failed(stderr.trim());
  try {
    return JSON.parse(stdout);
  } catch (error) {
    throw failed(messageOf(error));
  }
}

function infoOf(image: z.infer<typeof IMAGE>): ImageInfo {
  const data = image['format-specific']?.data;
  const extents = data?.extents?.map(({ filename }) => filename) ?? [];
  return {
    path: image.filename,
    format: image.format,
    capacityBytes: image['virtual-size'],
    backing: image['full-backing-filename'] ?? image['backing-filename'],
    parts: [...extents, ...(data?.['data-file'] === undefined ? [] : [data['data-file']])].filter(
      (file) => file !== image.filename,
    ),
    createType: data?.['create-type'],
  };
}
