// Asks the default model one question and prints the answer as it comes.
// Start Headgate first (npm start), then: node examples/chat.js
import process from "node:process";
import OpenAI from "openai";

const baseURL = process.argv[2] ?? "http://127.0.0.1:1337/v1";
const client = new OpenAI({ baseURL, apiKey: "unused" });

const stream = await client.chat.completions.create({
  model: "default",
  messages: [{ role: "user", content: "What is the capital of France?" }],
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
process.stdout.write("\n");
