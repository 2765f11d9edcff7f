import { readFileSync } from "node:fs";
import { ConfigError, placeOfSetting } from "../config/load.ts";
import type { Config } from "../config/schema.ts";

/** Somebody who wants to be told. */
export interface Hook {
  url: string;
  /** What messages are signed with. */
  key: Uint8Array;
}

const SECRET_PREFIX = "whsec_";
/** Shorter ones can be guessed from a message and its signature. */
const KEY_BYTES_MIN = 16;

export interface HookSource {
  /** For messages: the file that the settings are from. */
  configPath: string;
  variables: NodeJS.ProcessEnv;
}

/** The configured hooks with their secrets; throws `ConfigError`, with the line, where one is missing or too short. */
export function readHooks(webhooks: Config["webhooks"], { configPath, variables }: HookSource): Hook[] {
  return webhooks.map(({ url, secret_env: variable }, i) => {
    const secret = variables[variable] ?? "";
    const key = keyFrom(secret);
    if (key.length >= KEY_BYTES_MIN) return { url, key };
    const keys = ["webhooks", i, "secret_env"];
    const place = placeOfSetting(readFileSync(configPath, "utf8"), { path: configPath, keys });
    const trouble =
      secret === ""
        ? `the environment variable ${variable} is not set`
        : `the secret in ${variable} has fewer than ${KEY_BYTES_MIN} bytes`;
    const advice = "give it a random secret, such as that of `openssl rand -base64 32`";
    throw new ConfigError(`${place}: ${keys.join(".")}: ${trouble}; ${advice}`);
  });
}

/** As Standard Webhooks writes secrets; what does not begin as one is taken as it is. */
function keyFrom(secret: string): Uint8Array {
  if (!secret.startsWith(SECRET_PREFIX)) return Buffer.from(secret);
  return Buffer.from(secret.slice(SECRET_PREFIX.length), "base64");
}
