/**
 * The only reader of environment variables. They stand for settings that differ from one
 * machine to the next; a command-line option wins over its variable, and both over the file.
 */
export interface Environment {
  host: string | undefined;
  port: number | undefined;
  modelPath: string | undefined;
  workerId: string | undefined;
  workerUrl: string | undefined;
  coordinatorUrl: string | undefined;
  /** The npm script that this process was started by. */
  npmScript: string | undefined;
}

/** Variables with an empty value count as absent. */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  return {
    host: text(variables["HOST"]),
    port: port(variables["PORT"]),
    modelPath: text(variables["MODEL_PATH"]),
    workerId: text(variables["WORKER_ID"]),
    workerUrl: text(variables["WORKER_URL"]),
    coordinatorUrl: text(variables["COORDINATOR_URL"]),
    npmScript: text(variables["npm_lifecycle_event"]),
  };
}

/** The secret that a setting such as `api_key_env` points to; throws when it is not set. */
export function readSecret(variables: NodeJS.ProcessEnv, variable: string): string {
  const secret = text(variables[variable]);
  if (secret === undefined) throw new Error(`The environment variable ${variable} is not set.`);
  return secret;
}

function text(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

function port(value: string | undefined): number | undefined {
  if (value === undefined || value === "") return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) return number;
  throw new Error(`PORT is "${value}", which is no port number.`);
}
