// The official Node client's Responses: one JSON object on stdout with what it understood.
import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const tools = [{
  type: "function",
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
  strict: true,
}];
const told = {};

const whole = await client.responses.create({ model, input: "Hello", store: false });
told.text = whole.output_text;
told.usage = whole.usage.total_tokens;

const stream = client.responses.stream({ model, input: "Hello", store: false });
told.pieces = "";
told.numbers = [];
for await (const event of stream) {
  told.numbers.push(event.sequence_number);
  if (event.type === "response.output_text.delta") told.pieces += event.delta;
}
told.streamed = (await stream.finalResponse()).output_text;

const input = [{ role: "user", content: "[tools 2] What is the weather?" }];
const include = ["reasoning.encrypted_content"];
told.arguments = [];
for (let turn = 0; turn < 5; turn += 1) {
  const response = await client.responses.create({ model, input, tools, store: false, include });
  input.push(...response.output);
  const calls = response.output.filter((item) => item.type === "function_call");
  told.last = response.output_text;
  if (calls.length === 0) break;
  told.arguments.push(...calls.map((call) => Object.keys(JSON.parse(call.arguments))));
  input.push(...calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: "sunny" })));
}
try {
  await client.responses.create({ model: "none", input: "Hello" });
} catch (error) {
  told.unknown = [error.constructor.name, error.status, error.code];
}
console.log(JSON.stringify(told));
