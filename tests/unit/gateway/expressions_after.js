// Put behind expressions.js by test_expressions.py: what an expression gives here, and what it gives under eval.
const Ours = Object.getPrototypeOf(async () => {}).constructor;

function body(expression) {
  const isStatements = /^[\n\s]*if.*\(.*\)/.test(expression.trim());
  const text = isStatements ? `(async()=>{ ${expression} })()` : expression;
  return `with (scope) { __self.result = ${text} }; __self.finished = true; return __self.result;`;
}

function fresh(scope) {
  const made = JSON.parse(JSON.stringify(scope));
  made.double = function double(value) { return value * 2 + this.count; };
  return made;
}

async function outcome(constructor, expression, scope) {
  const self = {}, inside = fresh(scope);
  try {
    const run = constructor === Real ? new Real("__self", "scope", body(expression)) : new Ours(["__self", "scope"], body(expression));
    await run(self, inside);
    return { value: await self.result, scope: inside };
  } catch (error) {
    return { error: error.name };
  }
}

async function answers({ expressions, scope }) {
  const found = [];
  for (const expression of expressions) {
    found.push({ ours: await outcome(Ours, expression, scope), real: await outcome(Real, expression, scope) });
  }
  return JSON.stringify(found, (_, value) => (typeof value === "function" ? "function" : value));
}
