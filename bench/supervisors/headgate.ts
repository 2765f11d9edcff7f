/** Headgate as `headgate up --supervisors` puts it together. Its arguments are the configuration file, and how many. */
import { loadConfig } from "../../src/config/load.ts";
import { startHeadgate } from "../../src/headgate.ts";
import { startLauncher } from "../../src/launcher/launcher.ts";
import { createLog } from "../../src/observability/log.ts";
import { serveParent } from "../child.ts";

const [configPath, count] = [process.argv[2]!, Number(process.argv[3])];
const { config } = loadConfig(configPath);
const options = { config, configPath, variables: process.env, log: createLog(config.log.level) };
const headgate =
  count === 1 ? await startHeadgate(options) : await startLauncher({ ...options, supervisors: count });
// Supervisors in processes of their own would else be ended by force, and leave no profile.
serveParent(headgate.url, { stop: () => headgate.stop() });
