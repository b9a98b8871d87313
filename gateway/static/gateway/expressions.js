// Runs the expressions in the back office's markup without eval, so that pages may forbid it (Content-Security-Policy).
//
// Alpine makes a function of each expression with the constructor of async functions. Here that constructor is replaced
// by one that reads the expression itself: what Alpine's own markup of this theme needs, and no other names than below.
"use strict";

(() => {
  const PREFIX = "with (scope) { __self.result = ";
  const SUFFIX = " }; __self.finished = true; return __self.result;";
  const STATEMENTS = /^\(async\(\)=>\{ ([\s\S]*) \}\)\(\)$/;
  const GLOBALS = new Set([
    "theme", "searchForm", "searchDropdown", "searchCommand", "getCurrentTab", "sortRecords", "moveRecords",
    "localStorage", "Math", "JSON", "Object", "parseInt", "undefined",
  ]);
  const HIDDEN = new Set(["constructor", "prototype", "__proto__", "ownerDocument", "defaultView", "innerHTML", "outerHTML"]);
  const WINDOW = { get location() { return { pathname: location.pathname, search: location.search, hash: location.hash }; } };
  const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|([A-Za-z_$][\w$]*)|(=>|===|!==|\?\?|\?\.|&&|\|\||==|!=|<=|>=|\+\+|--|\+=|-=|[-+*/%<>!=?:;,.()[\]{}]))/y;
  const LEVELS = [["??"], ["||"], ["&&"], ["==", "!=", "===", "!=="], ["<", ">", "<=", ">="], ["+", "-"], ["*", "/", "%"]];
  const OPERATIONS = {
    "??": (a, b) => a() ?? b(), "||": (a, b) => a() || b(), "&&": (a, b) => a() && b(),
    "==": (a, b) => a() == b(), "!=": (a, b) => a() != b(), "===": (a, b) => a() === b(), "!==": (a, b) => a() !== b(),
    "<": (a, b) => a() < b(), ">": (a, b) => a() > b(), "<=": (a, b) => a() <= b(), ">=": (a, b) => a() >= b(),
    "+": (a, b) => a() + b(), "-": (a, b) => a() - b(), "*": (a, b) => a() * b(), "/": (a, b) => a() / b(), "%": (a, b) => a() % b(),
  };

  function tokens(text) {
    const found = [];
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.trimEnd().length) {
      const at = TOKEN.lastIndex, match = TOKEN.exec(text);
      if (!match) throw new SyntaxError(`cannot read ${text.slice(at, at + 20)}`);
      const [, number, string, name, mark] = match;
      if (number !== undefined) found.push({ kind: "value", value: Number(number) });
      else if (string !== undefined) found.push({ kind: "value", value: unquoted(string) });
      else found.push({ kind: name ? "name" : "mark", text: name ?? mark });
    }
    return found;
  }

  function unquoted(string) {
    return string.slice(1, -1).replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));
  }

  // Every node is {get(scope)}; what can be assigned has `set`, what is a member has `owner` for calls.
  class Parser {
    constructor(text) { this.tokens = tokens(text); this.at = 0; }

    peek(text, ahead = 0) { const token = this.tokens[this.at + ahead]; return token !== undefined && token.kind !== "value" && token.text === text; }
    take(text) { if (!this.peek(text)) return false; this.at += 1; return true; }
    need(text) { if (!this.take(text)) throw new SyntaxError(`'${text}' is missing`); }

    program() {
      const run = this.statements();
      if (this.at < this.tokens.length) throw new SyntaxError(`cannot go on at '${this.tokens[this.at].text}'`);
      return run;
    }

    statements() {
      const parts = [];
      while (this.at < this.tokens.length && !this.peek("}")) {
        if (!this.take(";")) parts.push(this.statement());
      }
      return { get: (scope) => parts.map((part) => part.get(scope))[0] }; // as with `result = first; second`
    }

    block() {
      if (!this.take("{")) return this.statement();
      const inside = this.statements();
      this.need("}");
      return inside;
    }

    statement() {
      if (!this.take("if")) return this.expression();
      this.need("(");
      const test = this.expression();
      this.need(")");
      const good = this.block(), other = this.take("else") ? this.block() : { get: () => undefined };
      return { get: (scope) => (test.get(scope) ? good : other).get(scope) };
    }

    expression() {
      const names = this.arrow();
      if (names) return this.lambda(names);
      const target = this.ternary();
      for (const mark of ["=", "+=", "-="]) {
        if (!this.take(mark)) continue;
        if (!target.set) throw new SyntaxError("cannot be assigned");
        const value = this.expression();
        if (mark === "=") return { get: (scope) => target.set(scope, value.get(scope)) };
        const operate = OPERATIONS[mark[0]];
        return { get: (scope) => target.set(scope, operate(() => target.get(scope), () => value.get(scope))) };
      }
      return target;
    }

    arrow() {
      const token = this.tokens[this.at];
      if (token?.kind === "name" && this.peek("=>", 1)) { this.at += 2; return [token.text]; }
      if (!this.peek("(")) return null;
      const names = [];
      let at = this.at + 1;
      while (this.tokens[at]?.kind === "name") { names.push(this.tokens[at].text); at += this.tokens[at + 1]?.text === "," ? 2 : 1; }
      if (this.tokens[at]?.text !== ")" || this.tokens[at + 1]?.text !== "=>") return null;
      this.at = at + 2;
      return names;
    }

    lambda(names) {
      const body = this.peek("{") ? this.block() : this.expression();
      const inner = (scope, values) => new Proxy({}, {
        has: (_, name) => names.includes(name) || name in scope,
        get: (_, name) => (names.includes(name) ? values[names.indexOf(name)] : scope[name]),
        set: (_, name, value) => { scope[name] = value; return true; },
      });
      return { get: (scope) => (...values) => body.get(inner(scope, values)) };
    }

    ternary() {
      const test = this.binary(0);
      if (!this.take("?")) return test;
      const good = this.expression();
      this.need(":");
      const other = this.expression();
      return { get: (scope) => (test.get(scope) ? good : other).get(scope) };
    }

    binary(level) {
      if (level === LEVELS.length) return this.unary();
      let left = this.binary(level + 1);
      for (;;) {
        const mark = LEVELS[level].find((each) => this.peek(each));
        if (!mark) return left;
        this.at += 1;
        const first = left, second = this.binary(level + 1), operate = OPERATIONS[mark];
        left = { get: (scope) => operate(() => first.get(scope), () => second.get(scope)) };
      }
    }

    unary() {
      if (this.take("!")) { const of = this.unary(); return { get: (scope) => !of.get(scope) }; }
      if (this.take("-")) { const of = this.unary(); return { get: (scope) => -of.get(scope) }; }
      if (this.take("typeof")) { const of = this.unary(); return { get: (scope) => typeof of.get(scope) }; }
      const of = this.postfix();
      if (this.take("++")) return { get: (scope) => of.set(scope, of.get(scope) + 1) - 1 };
      if (this.take("--")) return { get: (scope) => of.set(scope, of.get(scope) - 1) + 1 };
      return of;
    }

    postfix() {
      let node = this.primary();
      for (;;) {
        const isOptional = this.peek("?.");
        if (this.take(".") || this.take("?.")) {
          if (isOptional && this.peek("(")) continue;
          const name = this.name();
          node = member(node, { get: () => name }, isOptional);
        } else if (this.take("[")) {
          const key = this.expression();
          this.need("]");
          node = member(node, key, false);
        } else if (this.take("(")) {
          node = call(node, this.list(")"));
        } else return node;
      }
    }

    name() {
      const token = this.tokens[this.at++];
      if (token?.kind !== "name") throw new SyntaxError("a name is missing");
      return token.text;
    }

    list(end) {
      const items = [];
      while (!this.take(end)) { items.push(this.expression()); if (!this.peek(end)) this.need(","); }
      return items;
    }

    primary() {
      const token = this.tokens[this.at];
      if (token === undefined) throw new SyntaxError("it ends too early");
      if (token.kind === "value") { this.at += 1; return { get: () => token.value }; }
      if (this.take("(")) { const inside = this.expression(); this.need(")"); return inside; }
      if (this.take("[")) { const items = this.list("]"); return { get: (scope) => items.map((item) => item.get(scope)) }; }
      if (this.take("{")) return this.object();
      const name = this.name();
      if (name === "true" || name === "false") return { get: () => name === "true" };
      if (name === "null") return { get: () => null };
      return identifier(name);
    }

    object() {
      const members = [];
      while (!this.take("}")) {
        const token = this.tokens[this.at++], key = String(token.kind === "value" ? token.value : token.text);
        const value = this.take(":") ? this.expression() : identifier(key);
        members.push([key, value]);
        if (!this.peek("}")) this.need(",");
      }
      return { get: (scope) => Object.fromEntries(members.map(([key, value]) => [key, value.get(scope)])) };
    }
  }

  function identifier(name) {
    return {
      owner: (scope) => (name in scope ? scope : undefined),
      get: (scope) => {
        if (name in scope) return scope[name];
        if (name === "window") return WINDOW;
        if (GLOBALS.has(name)) return globalThis[name];
        throw new ReferenceError(`${name} is not known here`);
      },
      set: (scope, value) => { scope[name] = value; return value; },
    };
  }

  function member(of, key, isOptional) {
    const named = (scope) => {
      const name = key.get(scope);
      if (HIDDEN.has(String(name))) throw new ReferenceError(`${name} is not for expressions`);
      return name;
    };
    return {
      owner: (scope) => of.get(scope),
      get: (scope) => { const value = of.get(scope); return isOptional && value == null ? undefined : value[named(scope)]; },
      set: (scope, value) => { of.get(scope)[named(scope)] = value; return value; },
    };
  }

  function call(of, given) {
    return { get: (scope) => {
      const action = of.get(scope);
      return action === undefined ? undefined : action.apply(of.owner?.(scope), given.map((each) => each.get(scope)));
    } };
  }

  // In the place of the constructor of async functions: takes what Alpine writes, and nothing else.
  function Expression(_, body) {
    if (!body?.startsWith(PREFIX) || !body.endsWith(SUFFIX)) throw new EvalError("only expressions of the markup");
    const text = body.slice(PREFIX.length, -SUFFIX.length);
    const inside = text.match(STATEMENTS)?.[1], program = new Parser(inside ?? text).program();
    return async (self, scope) => {
      const value = program.get(scope);
      self.result = inside === undefined ? value : undefined;
      self.finished = true;
      return self.result;
    };
  }

  Object.defineProperty(Object.getPrototypeOf(async () => {}), "constructor", { value: Expression });

  // Alpine writes computed styles as attributes, which such a page forbids; as properties they are free.
  const { setAttribute } = Element.prototype;
  Element.prototype.setAttribute = function set(name, value) {
    if (String(name).toLowerCase() === "style") this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };

  if (typeof htmx !== "undefined") Object.assign(htmx.config, { allowEval: false, includeIndicatorStyles: false });
})();
