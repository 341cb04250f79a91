/** Tells of text that comes in pieces line by line, without empty ones. */
export function wholeLines(tell: (line: string) => void = () => undefined): {
  readonly add: (text: string) => void;
  /** What did not end with a line's end is a line too. */
  readonly end: () => void;
} {
  let open = '';
  return {
    add: (text) => {
      const lines = (open + text).split('\n');
      open = lines.pop() ?? '';
      for (const line of lines) if (line !== '') tell(line);
    },
    end: () => {
      if (open !== '') tell(open);
    },
  };
}
