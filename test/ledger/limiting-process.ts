import { openDatabase } from "../../src/ledger/database.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";

/** Sets the limits of its second argument, a JSON list, in the ledger file of its first. */
const [, , path, limits] = process.argv;
using database = openDatabase(path!);
for (const limit of JSON.parse(limits!) as LimitRow[]) writeLimit(database, limit);
