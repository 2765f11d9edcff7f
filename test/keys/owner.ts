import { placeOf } from "../../src/keys/account-path.ts";
import type { KeyOwner } from "../../src/keys/key-book.ts";
import type { KeyRole } from "../../src/keys/key-table.ts";

/** Whom a key of that account belongs to, such as `acme/alice`. */
export function ownerOf(path: string, role: KeyRole = "spend"): KeyOwner {
  const account = `global/${path}`;
  return { account, ...placeOf(account), role };
}
