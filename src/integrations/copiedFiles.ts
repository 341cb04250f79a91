import * as z from 'zod';

/** As `rclone lsjson --metadata` tells of files. */
const COPIED = z.array(
  z.object({
    Path: z.string(),
    Size: z.number(),
    ModTime: z.string(),
    Metadata: z.record(z.string(), z.string()).default({}),
  }),
);
export type CopiedFile = z.infer<typeof COPIED>[number];

/** @throws Error where it is no such list */
export function parseCopied(text: string): readonly CopiedFile[] {
  return COPIED.parse(JSON.parse(text));
}
