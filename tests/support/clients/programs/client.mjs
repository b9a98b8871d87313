// The official Node client: one JSON object on stdout with what it understood.
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const model = "demo-chat";
const told = {};

const { data, response, request_id } = await client.chat.completions.create({ model, messages }).withResponse();
told.text = data.choices[0].message.content;
told.usage = data.usage.total_tokens;
told.request_id = request_id;
told.provider = response.headers.get("x-gateway-provider");

const stream = await client.chat.completions.create({
  model, messages, stream: true, stream_options: { include_usage: true },
});
told.streamed = "";
for await (const chunk of stream) {
  told.streamed += chunk.choices[0]?.delta?.content ?? "";
  told.streamed_usage = chunk.usage?.total_tokens ?? told.streamed_usage;
}

const runner = client.chat.completions.stream({ model, messages });
told.final = (await runner.finalChatCompletion()).choices[0].message.content;

const embedded = await client.embeddings.create({ model: "demo-embed", input: ["a", "b"] });
told.embeddings = embedded.data.map((each) => each.embedding.length);
told.models = [];
for await (const each of client.models.list()) told.models.push(each.id);

const large = [{ role: "user", content: "word ".repeat(50_000) }];
told.large = (await client.chat.completions.create({ model, messages: large })).usage.prompt_tokens;
try {
  await new OpenAI({ baseURL: baseURL.replace(/\/v1$/, ""), apiKey, maxRetries: 0 }).models.list();
} catch (error) {
  told.without_v1 = [error.constructor.name, error.status, error.error?.message];
}
try {
  await new OpenAI({ baseURL: `${baseURL}/`, apiKey: "sk-wrong.key", maxRetries: 0 }).models.list();
} catch (error) {
  told.wrong_key = [error.constructor.name, error.status, error.code];
}
console.log(JSON.stringify(told));
