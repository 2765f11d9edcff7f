/** Accounts are named by their path from the root: `global/acme/alice`. */

export function isAtOrBelow(name: string, account: string): boolean {
  return name === account || name.startsWith(`${account}/`);
}

/** The account above it; null for the root. */
export function parentOf(account: string): string | null {
  const end = account.lastIndexOf("/");
  return end < 0 ? null : account.slice(0, end);
}

/** `a/b/c` names the accounts `a`, `a/b` and `a/b/c`, from the root down. */
export function pathOf(account: string): string[] {
  const path: string[] = [];
  for (let end = account.indexOf("/"); end >= 0; end = account.indexOf("/", end + 1)) {
    path.push(account.slice(0, end));
  }
  return [...path, account];
}
