// Asks the service without a host: `npm test`.
import assert from "node:assert";
import { test } from "node:test";
import { answer } from "./answer.js";

test("it says where it was asked", async () => {
  assert.equal(await answer("/here"), "Hello from service-name, at /here\n");
});
