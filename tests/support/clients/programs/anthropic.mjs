// Anthropic's Node client: one JSON object on stdout with what it understood.
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const tools = [{
  name: "get_weather",
  description: "The weather of a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}];
const told = {};

const { data, request_id } = await client.messages.create({ model, max_tokens: 300, messages }).withResponse();
told.text = data.content.at(-1).text;
told.usage = data.usage;
told.request_id = request_id;

const stream = client.messages.stream({ model, max_tokens: 300, messages });
told.pieces = 0;
stream.on("text", () => { told.pieces += 1; });
const final = await stream.finalMessage();
told.streamed = final.content.at(-1).text;
told.streamed_usage = final.usage;

// A loop: two turns with calls, their results, and a text.
const job = [{ role: "user", content: "[tools 2] What is the weather?" }];
told.inputs = [];
for (let turn = 0; turn < 5; turn += 1) {
  const message = await client.messages.stream({ model, max_tokens: 300, messages: job, tools }).finalMessage();
  told.stop = message.stop_reason;
  if (told.stop !== "tool_use") break;
  job.push({ role: "assistant", content: message.content });
  const calls = message.content.filter((block) => block.type === "tool_use");
  told.inputs.push(...calls.map((call) => Object.keys(call.input)));
  const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "sunny" }));
  job.push({ role: "user", content: results });
}

told.counted = (await client.messages.countTokens({ model, messages })).input_tokens;
told.models = [];
for await (const each of client.models.list({ limit: 2 })) told.models.push(each.id);
try {
  await client.messages.create({ model: "none", max_tokens: 1, messages });
} catch (error) {
  told.unknown = [error.constructor.name, error.status, error.error?.error?.type];
}
console.log(JSON.stringify(told));
