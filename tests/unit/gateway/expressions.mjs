// Run by test_expressions.py: reads {expressions, scope} as JSON, prints for each what it gives here and under eval.
import { readFileSync } from "node:fs";

const [, , script] = process.argv;
const { expressions, scope } = JSON.parse(readFileSync(0, "utf8"));
const Real = Object.getPrototypeOf(async () => {}).constructor;

globalThis.location = { pathname: "/admin/", search: "?q=1", hash: "#x" };
globalThis.window = globalThis;
globalThis.localStorage = { getItem: () => "1", setItem: () => undefined };
globalThis.Element = class { setAttribute() {} };
globalThis.alert = () => "alert";
const source = readFileSync(script, "utf8");
(0, eval)(source);
const Ours = Object.getPrototypeOf(async () => {}).constructor;

function body(expression) {
  const isStatements = /^[\n\s]*if.*\(.*\)/.test(expression.trim());
  const text = isStatements ? `(async()=>{ ${expression} })()` : expression;
  return `with (scope) { __self.result = ${text} }; __self.finished = true; return __self.result;`;
}

function fresh() {
  const made = structuredClone(scope);
  made.double = function double(value) { return value * 2 + this.count; };
  return made;
}

async function outcome(constructor, expression) {
  const self = {}, inside = fresh();
  try {
    const run = constructor === Real ? new Real("__self", "scope", body(expression)) : new Ours(["__self", "scope"], body(expression));
    await run(self, inside);
    return { value: await self.result, scope: inside };
  } catch (error) {
    return { error: error.name };
  }
}

const answers = [];
for (const expression of expressions) {
  answers.push({ ours: await outcome(Ours, expression), real: await outcome(Real, expression) });
}
process.stdout.write(JSON.stringify(answers, (_, value) => (typeof value === "function" ? "function" : value)));
