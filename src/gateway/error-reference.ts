import { ERRORS } from "../core/errors.ts";

/** The table of errors as Markdown. */
export function errorReference(): string {
  const rows = Object.entries(ERRORS).map(([code, { status, type, retryable, advice }]) => {
    return `| \`${code}\` | ${status} | \`${type}\` | ${retryable ? "yes" : "no"} | ${advice} |`;
  });
  return `# Errors

Made from \`src/core/errors.ts\` by \`npm run docs\`. Every error has OpenAI's shape:
\`{"error": {"message", "type", "code", "param", …}}\`, with \`reason\`, \`tried\` or \`stage\` beside it where they
help, and \`account\`, \`limit\`, \`needed\` and \`remaining\` where a budget is short. When an answer has begun to
stream, the error comes as its last event, and \`[DONE]\` does not follow.

| code | status | type | retry | what to do |
| --- | --- | --- | --- | --- |
${rows.join("\n")}

## \`capacity\`

| reason | meaning |
| --- | --- |
| \`no_workers\` | No worker serves the model yet. |
| \`no_healthy_workers\` | Every worker that serves the model is silent or draining. |
| \`no_matching_labels\` | No worker or remote that serves the model has the labels that \`x-headgate-require\` asks for. |
| \`all_workers_at_capacity\` | Every worker that serves the model is full, and nothing may wait. |
| \`system_sessions_full\` | \`limits.sessions_max\` is reached. |
| \`system_kv_cache_full\` | \`limits.kv_bytes_max\` is reached. |
| \`queue_full\` | \`limits.queue_packets_max\` or \`limits.queue_bytes_max\` is reached. |
| \`band_full\` | What may wait in the request's band, \`packets_max\` or \`bytes_max\` under \`queue.bands\`, is reached. |
| \`shed\` | The fleet is so busy that requests of a sheddable band are turned away, by \`admission.shedding\`. |
| \`evicted\` | The queue was full, and more urgent requests came. |
| \`slices_full\` | As many sub-accounts with a slice are open as \`budgets.slices\` allows, in all or below this key. |
| \`queue_timeout\` | No worker had room within \`timeouts.queue\`. |
| \`ledger_unavailable\` | What is spent can't be written down at the moment, for example because the disk is full. |
| \`draining\` | Headgate is shutting down. |

## \`upstream_failed\`

\`reason\` says how the last attempt ended: \`unreachable\`, \`endpoint_error\`, \`stream_broken\`, \`prefill_timeout\`,
\`stalled\` or \`worker_lost\`; \`tried\` names the workers in the order they were tried.
`;
}
