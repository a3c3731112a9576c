// Asks the service as a host does, in node itself: `npm test`.
import assert from "node:assert";
import { test } from "node:test";

let listener;
globalThis.addEventListener = (_kind, heard) => (listener = heard);
await import("./app.js");

test("it says where it was asked", async () => {
  let response;
  const request = new Request("http://service-name.internal/here");
  listener({ request, respondWith: (answer) => (response = answer) });
  assert.equal(await (await response).text(), "Hello from service-name, at /here\n");
});
