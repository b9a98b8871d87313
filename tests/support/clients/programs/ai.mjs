// The Vercel AI SDK with its three providers: one JSON object on stdout with what it understood.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const [baseURL, apiKey, alias] = process.argv.slice(2);
const models = {
  responses: createOpenAI({ baseURL, apiKey })(alias),
  chat: createOpenAICompatible({ name: "gateway", baseURL, apiKey, includeUsage: true })(alias),
  messages: createAnthropic({ baseURL, apiKey })(alias),
};
const told = {};
globalThis.AI_SDK_LOG_WARNINGS = (options) => console.error(JSON.stringify(options.warnings)); // else on stdout

for (const [name, model] of Object.entries(models)) {
  const cities = [];
  const tools = {
    get_weather: tool({
      description: "The weather of a city",
      inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
      execute: async ({ city }) => { cities.push(typeof city); return "sunny"; },
    }),
  };
  // Without it the SDK refers to stored items by their ids, which only OpenAI has.
  const common = { model, maxRetries: 0, maxOutputTokens: 600, providerOptions: { openai: { store: false } } };
  const said = await generateText({ ...common, prompt: "Hello" });
  const stream = streamText({ ...common, prompt: "Hello" });
  let streamed = "";
  for await (const piece of stream.textStream) streamed += piece;
  const job = { ...common, tools, stopWhen: stepCountIs(5), prompt: "[tools 2] What is the weather?" };
  const worked = await generateText(job);
  const working = streamText(job);
  await working.consumeStream();
  told[name] = {
    text: said.text,
    streamed,
    tokens: [said.usage.totalTokens, (await stream.usage).totalTokens],
    reason: said.finishReason,
    steps: [worked.steps.length, (await working.steps).length],
    last: [worked.text, await working.text],
    cities,
  };
}
console.log(JSON.stringify(told));
