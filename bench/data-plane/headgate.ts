/** Headgate as `headgate up` puts it together. Its one argument is the configuration file. */
import { loadConfig } from "../../src/config/load.ts";
import { startHeadgate } from "../../src/headgate.ts";
import { createLog } from "../../src/observability/log.ts";
import { serveParent } from "../child.ts";

const configPath = process.argv[2]!;
const { config } = loadConfig(configPath);
const log = createLog(config.log.level);
const headgate = await startHeadgate({ config, configPath, variables: process.env, log });
serveParent(headgate.url);
