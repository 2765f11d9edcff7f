import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/**
 * A port that nobody listens on. Processes that share a port, of which some start later, have to be given its number: the
 * system would choose another for each.
 */
export async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
