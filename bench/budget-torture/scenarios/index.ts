import type { Scenario } from "../scenario.ts";
import { burst } from "./burst.ts";
import { disconnects } from "./disconnects.ts";
import { failover } from "./failover.ts";
import { killRestart } from "./kill-restart.ts";
import { killedInTurn } from "./killed-in-turn.ts";
import { longStreams } from "./long-streams.ts";
import { nestedCaps } from "./nested-caps.ts";
import { overbilling } from "./overbilling.ts";
import { oversized } from "./oversized.ts";
import { packedChunks } from "./packed-chunks.ts";
import { replicas } from "./replicas.ts";
import { retries } from "./retries.ts";
import { windowReset } from "./window-reset.ts";
import { withoutUsage } from "./without-usage.ts";

/** In the order in which they run. What kills the gateway comes late: it may leave it slower. */
export const SCENARIOS: readonly Scenario[] = [
  burst,
  nestedCaps,
  longStreams,
  oversized,
  disconnects,
  overbilling,
  withoutUsage,
  packedChunks,
  retries,
  failover,
  replicas,
  windowReset,
  killRestart,
  killedInTurn,
];
