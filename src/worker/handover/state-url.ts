import { isLoopbackHost } from "../../gateway/loopback.ts";
import { RequestError } from "../errors.ts";

const PARAM = "continue.state.url";
const PATH = /^\/worker\/generate\/[^/]+\/state$/;
const LENGTH_MAX = 2_048;

/**
 * The address of a parked generation's state: on a worker of this machine, or of a host that
 * this worker was told of. So whoever calls a worker can't make it call anything else. Throws
 * {@link RequestError}.
 */
export function stateUrl(text: string, hosts: readonly string[]): URL {
  const url = text.length <= LENGTH_MAX ? URL.parse(text) : null;
  if (url === null || url.protocol !== "http:" || !PATH.test(url.pathname)) {
    throw new RequestError(
      "invalid_request",
      "The state has to be at http://<worker>/worker/generate/<id>/state.",
      PARAM,
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isLoopbackHost(host) || hosts.includes(host)) return url;
  throw new RequestError("invalid_request", `This worker fetches no state from ${host}.`, PARAM);
}
