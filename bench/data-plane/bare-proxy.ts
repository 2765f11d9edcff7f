/**
 * The least that a proxy on node:http and undici can do: read a body, send it on, carry the bytes of
 * the answer back. It parses, decides, counts and logs nothing. Its one argument is the upstream.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Dispatcher, Pool } from "undici";
import { serveParent } from "../child.ts";

const upstream = new Pool(process.argv[2]!, { connections: null, headersTimeout: 0, bodyTimeout: 0 });

const server = createServer({ noDelay: true }, (request, response) => {
  const chunks: Buffer[] = [];
  let controller: Dispatcher.DispatchController | null = null;
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const headers = { "content-type": "application/json" };
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    upstream.dispatch(
      { method: "POST", path: request.url!, headers, body },
      {
        onRequestStart: (started) => {
          controller = started;
        },
        onResponseStart: (_, status, answered) => {
          const kept = ["content-type", "content-length"].filter((name) => answered[name] !== undefined);
          response.writeHead(status, Object.fromEntries(kept.map((name) => [name, answered[name]])));
        },
        onResponseData: (_, chunk) => {
          response.write(chunk);
        },
        onResponseEnd: () => {
          response.end();
        },
        onResponseError: () => {
          response.destroy();
        },
      },
    );
  });
  response.on("close", () => {
    if (!response.writableFinished) controller?.abort(new Error("the client left"));
  });
});

server.listen(0, "127.0.0.1", () => {
  serveParent(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
