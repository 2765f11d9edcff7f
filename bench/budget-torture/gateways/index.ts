import { ByHandGateway } from "./by-hand.ts";
import type { Gateway, GatewayOptions } from "./gateway.ts";
import { HeadgateGateway } from "./headgate.ts";
import { LiteLlmGateway } from "./litellm.ts";

/** By its name, or by the file that describes one. Throws `Unavailable` where it can't be had here. */
export function startGateway(name: string, options: GatewayOptions): Promise<Gateway> {
  switch (name) {
    case "headgate":
      return HeadgateGateway.start(options);
    case "litellm":
      return LiteLlmGateway.start(options);
    default:
      return ByHandGateway.start(name, options);
  }
}
