/** A process that was started later may have the same pid: good enough here, where one benchmark starts them all. */
export function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
