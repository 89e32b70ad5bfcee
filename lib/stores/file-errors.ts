const SHORTAGES = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN', 'EFBIG']);

/** A temporary error, which neither indicates a wrong configuration nor a damaged file. */
export const isShortage = (error: unknown): boolean => SHORTAGES.has(codeOf(error));

/** True if a file, or the directory that contained it, no longer exists. */
export const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error));

/** Code of an error of the file system; empty for others. */
export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
