// Installs the dependencies when they are missing or older than the lock file, so that
// `npm start` and `npm test` work in a fresh clone. Plain JavaScript: the machine's own
// Node (20 or newer) runs it, before the pinned Node 24 is there.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";

const LOCK = "package-lock.json";
/** Copy of the lock file that the last complete install was made from. */
const STAMP = "node_modules/.installed-lock.json";

const isCurrent = existsSync(STAMP) && readFileSync(STAMP, "utf8") === readFileSync(LOCK, "utf8");
if (!isCurrent) {
  console.error("headgate: installing dependencies (about 450 MB on disk, once) …");
  const started = Date.now();
  // Warnings would be about the machine's own Node, which nothing but this script runs on.
  const ci = ["ci", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm, ...ci]] : ["npm", ci];
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) {
    console.error(
      `headgate: the install failed${error ? ` (${error.message})` : ""}; is the npm registry reachable?`,
    );
    process.exit(status ?? 1);
  }
  copyFileSync(LOCK, STAMP);
  console.error(`headgate: installed in ${Math.round((Date.now() - started) / 1000)} s`);
}
