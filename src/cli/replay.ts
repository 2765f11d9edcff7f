import type { Command } from "commander";
import { replay } from "../recording/replay.ts";

export function addReplayCommand(program: Command): void {
  program
    .command("replay")
    .description("handle a recorded run again and compare the hash of its effects")
    .argument("<file>", "made by `headgate up --record`")
    .action(async (file: string) => {
      const { events, hash, recordedHash, identical } = await replay(file);
      console.log(`${events} events, hash of effects ${hash}`);
      if (identical) return console.log("Identical to the recording.");
      process.exitCode = 1;
      if (recordedHash === null) console.log("The recording has no hash: its run was cut short.");
      else console.log(`Different: the recording has ${recordedHash}.`);
    });
}
