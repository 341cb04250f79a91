/** Whether an error of Node's has this code. */
export function isErrorWithNodeCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
