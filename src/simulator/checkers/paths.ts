/** Accounts are named by their path from the root: `global/red/a`. */

export function isAtOrBelow(account: string, above: string): boolean {
  if (!account.startsWith(above)) return false;
  return account.length === above.length || account[above.length] === "/";
}

/** The account above it; nothing above the root. */
export function parentOf(account: string): string {
  return account.slice(0, Math.max(0, account.lastIndexOf("/")));
}
