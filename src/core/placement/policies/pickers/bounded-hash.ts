import type { Packet } from "../../../request.ts";
import type { PickerDefinition } from "../../contracts.ts";

/**
 * Every key has its own order of endpoints (the highest random weight first), which joins and leaves change as
 * little as can be. The first of that order that is within the bound is picked; the mean never exceeds it, so there
 * always is one.
 */
export const boundedHash: PickerDefinition = {
  kind: "picker",
  name: "bounded-hash",
  summary:
    "The same endpoint for the same session, prompt or tenant, without any memory of it, as long as it is not overloaded.",
  formula:
    "argmax hash(key, endpoint) over those with sequences + 1 ≤ ⌈bound · (all sequences + 1) ÷ candidates⌉. Key: session, else first block, else tenant",
  source:
    "Mirrokni, Thorup and Zadimoghaddam, Consistent Hashing with Bounded Loads (2018); Thaler and Ravishankar (1998)",
  needs: [],
  parameters: {
    bound: { summary: "Load of the most loaded against the mean", unit: "", default: 1.25, min: 1, max: 1e3 },
    key: {
      summary: "What is hashed; `any` is the first of the others that the request has",
      unit: "",
      default: "any",
      choices: ["any", "session", "block", "tenant"],
    },
  },
  create: (parameters) => {
    const bound = Number(parameters["bound"]);
    const kind = String(parameters["key"]);
    return {
      pick(candidates, packet, _totals, { signals, nowUs }) {
        const key = hashOf(keyOf(packet, kind));
        let sessions = 0;
        for (const { worker } of candidates) sessions += signals.sessions(worker, nowUs);
        const most = Math.ceil((bound * (sessions + 1)) / candidates.length);
        let picked = 0;
        let highest = -1;
        for (let i = 0; i < candidates.length; i++) {
          const { worker, id } = candidates[i]!;
          if (signals.sessions(worker, nowUs) + 1 > most) continue;
          const weight = mixed(hashOf(id) ^ key);
          if (weight <= highest) continue;
          picked = i;
          highest = weight;
        }
        return picked;
      },
    };
  },
};

function keyOf({ request }: Packet, kind: string): string {
  const { session, blocks } = request.arrival.hints;
  if (session !== null && (kind === "any" || kind === "session")) return `session ${session}`;
  if (blocks.length > 0 && (kind === "any" || kind === "block")) return `block ${blocks[0]}`;
  return `tenant ${request.arrival.tenant}`;
}

/** FNV-1a over UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** Spreads over 32 bits what FNV-1a leaves close together: the last steps of MurmurHash3. */
function mixed(hash: number): number {
  let value = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
