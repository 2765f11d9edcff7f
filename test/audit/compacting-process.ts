import { DatabaseSync } from "node:sqlite";
import { compact } from "../../src/ledger/audit/compact.ts";
import { openDatabase } from "../../src/ledger/database.ts";

/**
 * Compacts the ledger at the path given first, of all before the instant given second, and kills itself like a power cut
 * does right before SQLite executes the transaction's command that has the number given third.
 */
const [path, beforeUs, fatal] = process.argv.slice(2);

let commands = 0;
const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (sql) {
  if (/^(BEGIN|COMMIT|VACUUM)/.test(sql) && ++commands === Number(fatal))
    process.kill(process.pid, "SIGKILL");
  exec.call(this, sql);
};

compact(openDatabase(path!), { beforeUs: Number(beforeUs), segmentRecords: 100 });
