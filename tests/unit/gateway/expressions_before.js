// Put in front of expressions.js by test_expressions.py: the little of a browser that it looks at.
globalThis.Real = Object.getPrototypeOf(async () => {}).constructor;
globalThis.location = { pathname: "/admin/", search: "?q=1", hash: "#x" };
globalThis.window = globalThis;
globalThis.localStorage = { getItem: () => "1", setItem: () => undefined };
globalThis.Element = class { setAttribute() {} };
globalThis.alert = () => "alert";
