import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { readWorkload } from "../../src/simulator/workloads/read-workload.ts";
import type { Workload } from "../../src/simulator/workloads/workload.ts";
import { readVtcResults } from "../../src/simulator/workloads/readers/vtc-results.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "headgate-workloads-"));
after(() => rmSync(FOLDER, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(FOLDER, name);
  writeFileSync(path, content);
  return path;
}

const MOONCAKE = [
  '{"timestamp": 500, "input_length": 600, "output_length": 7, "hash_ids": [0, 1]}',
  '{"timestamp": 500, "input_length": 512, "output_length": 0, "hash_ids": [0]}',
  '{"timestamp": 3500.5, "input_length": 1025, "output_length": 9, "hash_ids": [0, 1, 5]}',
];
const AZURE = [
  "TIMESTAMP,ContextTokens,GeneratedTokens,Team",
  "2023-11-16 23:59:59.9799600,4808,10,a",
  "2023-11-17 00:00:00.1,374,44,b",
  "2023-11-17 00:00:10,12,1,a",
];

/** One of a measured run of VTC's. */
function response(client: number, more: object): object {
  return {
    adapter_dir: `dummy-lora-7b-rank-8-${client}`,
    prompt_len: 5,
    output_len: 6,
    request_latency: 3,
    first_token_latency: 2,
    ...more,
  };
}

function names({ requests }: Workload): string[] {
  return requests.map(({ tenant }) => tenant);
}

test("Mooncake: milliseconds, chains of blocks, and an answer of no tokens counts as one", async () => {
  const path = file("m.jsonl", `${MOONCAKE.join("\n")}\n`);
  const { requests, blockTokens } = await readWorkload("mooncake", path, { isBounded: true });
  assert.equal(blockTokens, 512);
  assert.deepEqual(
    requests.map(({ atUs, promptTokens, outputTokens, maxTokens, blocks }) => [
      atUs,
      promptTokens,
      outputTokens,
      maxTokens,
      blocks,
    ]),
    [
      [0, 600, 7, 7, [0, 1]],
      [0, 512, 1, 1, [0]],
      [3_000_500, 1025, 9, 9, [0, 1, 5]],
    ],
  );
});

test("Azure: the clock of the trace, over midnight, and a column for tenants", async () => {
  // As Windows writes it, and without an end to the last line.
  const path = file("a.csv", AZURE.join("\r\n"));
  const { requests } = await readWorkload("azure", path);
  assert.deepEqual(
    requests.map(({ atUs, tenant, maxTokens }) => [atUs, tenant, maxTokens]),
    [
      [0, "azure", null],
      [120_040, "azure", null],
      [10_020_040, "azure", null],
    ],
  );
  const byTeam = await readWorkload("azure", path, { tenantColumn: "Team" });
  assert.deepEqual(
    byTeam.requests.map(({ tenant }) => tenant),
    ["a", "b", "a"],
  );
});

test("VTC: the trace, and what was measured on it", async () => {
  const csv = "arrival_s,client,input_tokens,output_tokens\n0.000000,13,13,199\n0.207938,2,36,137\n";
  const trace = await readWorkload("vtc-trace", file("v.csv", csv));
  const responses = [
    response(13, { req_time: 1 }),
    response(2, { req_time: 4, first_token_latency: -1, request_latency: -1 }),
  ];
  const run = JSON.stringify({ config: {}, result: { total_time: 7.5, responses } });
  const path = file("v.jsonl.gz", gzipSync(`${run}\n`));
  const [measured] = await readVtcResults(path);
  assert.equal(measured!.totalUs, 7_500_000);
  assert.deepEqual(measured!.responses[0], {
    tenant: "client-13",
    promptTokens: 5,
    outputTokens: 6,
    arrivedUs: 1_000_000,
    firstTokenUs: 3_000_000,
    endUs: 4_000_000,
  });
  assert.equal(measured!.responses[1]!.firstTokenUs, null);
  assert.deepEqual(names(trace), ["client-13", "client-2"]);
  assert.deepEqual(names(await readWorkload("vtc-results", path)), ["client-13", "client-2"]);
  const two = file("two.jsonl", `${run}\n${run}\n`);
  await assert.rejects(readWorkload("vtc-results", two), /has 2 runs/);
});

test("a part of a trace, faster, thinned or cut off", async () => {
  const path = file("part.csv", AZURE.join("\n"));
  const times = async (options: object): Promise<number[]> =>
    (await readWorkload("azure", path, options)).requests.map(({ atUs }) => atUs);
  assert.deepEqual(await times({ fromSeconds: 0.1 }), [20_040, 9_920_040]);
  assert.deepEqual(await times({ untilSeconds: 10 }), [0, 120_040]);
  assert.deepEqual(await times({ rate: 2 }), [0, 60_020, 5_010_020]);
  assert.deepEqual(await times({ requestsMax: 1 }), [0]);
  for (const options of [
    { share: 0 },
    { rate: -1 },
    { fromSeconds: 2, untilSeconds: 1 },
    { requestsMax: 0 },
    { fromSeconds: 60 },
  ]) {
    await assert.rejects(readWorkload("azure", path, options), { name: "WorkloadProblem" });
  }
  const long = file(
    "long.csv",
    [
      "TIMESTAMP,ContextTokens,GeneratedTokens",
      ...Array.from({ length: 2_000 }, () => "2023-11-16 00:00:00,1,1"),
    ].join("\n"),
  );
  const kept = (await readWorkload("azure", long, { share: 0.25, seed: 3 })).requests.length;
  // Five standard deviations.
  assert(Math.abs(kept - 500) < 5 * Math.sqrt(2_000 * 0.25 * 0.75));
});

test("a mistake is reported with its line", async () => {
  const mistakes: [string, string, RegExp][] = [
    ["mooncake", `${MOONCAKE[0]}\n\n{"timestamp": 1`, /:3: /],
    ["mooncake", MOONCAKE[0]!.replace("600", "1600"), /:1: 1600 tokens don't make 2 blocks/],
    ["mooncake", MOONCAKE[0]!.replace("600", "-1"), /:1: .*input_length/s],
    ["mooncake", `${MOONCAKE[2]}\n${MOONCAKE[0]}`, /request 2 arrives before/],
    ["azure", "TIME,ContextTokens\n", /:1: no column TIMESTAMP, GeneratedTokens/],
    ["azure", `${AZURE[0]}\n${AZURE[1]}\n2023-11-17,1`, /:3: 2 fields, and 4 columns/],
    ["azure", `${AZURE[0]}\nyesterday,1,1,a`, /:2: TIMESTAMP .* "yesterday"/],
    ["azure", `${AZURE[0]}\n2023-11-17 00:00:10,1.5,1,a`, /:2: ContextTokens .* "1.5"/],
    ["azure", `${AZURE[0]}\n2023-11-17 00:00:10,,1,a`, /:2: ContextTokens .* ""/],
    ["azure", AZURE[0]!, /no request/],
    ["vtc-trace", "arrival_s,client,input_tokens,output_tokens\nsoon,1,1,1", /:2: arrival_s .* "soon"/],
    ["vtc-results", '{"result": {}}', /:1: .*total_time/s],
    ["nothing", "", /"nothing" is no format/],
  ];
  for (const [format, content, message] of mistakes) {
    await assert.rejects(readWorkload(format, file("wrong.txt", content)), {
      name: "WorkloadProblem",
      message,
    });
  }
  await assert.rejects(readWorkload("azure", join(FOLDER, "missing.csv")), /can't be read.*ENOENT/);
  await assert.rejects(readWorkload("azure", file("wrong.csv.gz", "not compressed")), /can't be read/);
  await assert.rejects(readWorkload("azure", join(FOLDER, "missing.csv.gz")), /can't be read.*ENOENT/);
});

function servegenFolder(name: string, traces: readonly string[]): string {
  const folder = join(FOLDER, name);
  mkdirSync(folder);
  const dataset = {
    "0": { input_tokens: "{100: 0.25, 200: 0.75}", output_tokens: "{7: 1.0}" },
    "21600": { input_tokens: "{}", output_tokens: "{}" },
  };
  for (const [i, trace] of traces.entries()) {
    writeFileSync(join(folder, `chunk-${i}-trace.csv`), trace);
    writeFileSync(join(folder, `chunk-${i}-dataset.json`), JSON.stringify(dataset));
  }
  return folder;
}

test("ServeGen: each client keeps its rate in each window, from a seed", async () => {
  const folder = servegenFolder("servegen", [
    "0,1.5,3,Gamma,0.1111,60\n600,0,0,,0,0\n21600,0.5,0.9,Weibull,1.1,2\n",
    "600,0.2,,,0,0\n",
  ]);
  const { requests } = await readWorkload("servegen", folder, { seed: 7 });
  const count = (tenant: string, from: number): number =>
    requests.filter(
      ({ tenant: name, atUs }) => name === tenant && atUs >= from * 1e6 && atUs < (from + 600) * 1e6,
    ).length;
  assert.equal(count("client-0", 0), 900);
  assert.equal(count("client-0", 600), 0);
  assert.equal(count("client-0", 21_600), 300);
  assert.equal(count("client-1", 600), 120);
  assert.equal(requests.length, 1_320);
  assert(requests.every(({ atUs }, i) => i === 0 || atUs >= requests[i - 1]!.atUs));
  const long = requests.filter(({ promptTokens }) => promptTokens === 200).length;
  assert(Math.abs(long - 990) < 5 * Math.sqrt(1_320 * 0.25 * 0.75));
  assert(
    requests.every(
      ({ promptTokens, outputTokens }) => [100, 200].includes(promptTokens) && outputTokens === 7,
    ),
  );
  assert.deepEqual((await readWorkload("servegen", folder, { seed: 7 })).requests, requests);
  assert.notDeepEqual((await readWorkload("servegen", folder, { seed: 8 })).requests, requests);
  const part = await readWorkload("servegen", folder, { fromSeconds: 600, untilSeconds: 1_200 });
  assert.equal(part.requests.length, 120);
});

test("ServeGen: mistakes name the file and the line", async () => {
  await assert.rejects(
    readWorkload("servegen", servegenFolder("bad-law", ["0,1,1,Cauchy,1,1"])),
    /chunk-0-trace.csv:1: "Cauchy"/,
  );
  await assert.rejects(
    readWorkload("servegen", servegenFolder("bad-row", ["0,1\n"])),
    /chunk-0-trace.csv:1: a window has six/,
  );
  const bad = servegenFolder("bad-lengths", ["0,1,1,Gamma,1,1"]);
  writeFileSync(
    join(bad, "chunk-0-dataset.json"),
    '{"0": {"input_tokens": "{a: 1}", "output_tokens": "{}"}}',
  );
  await assert.rejects(readWorkload("servegen", bad), /chunk-0-dataset.json: "a: 1" is no length/);
  mkdirSync(join(FOLDER, "empty"));
  await assert.rejects(readWorkload("servegen", join(FOLDER, "empty")), /has no chunk/);
});
