// Where wasi:http meets the service: a request comes in, what `answer` says goes out.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from "wasi:http/types@0.2.10";
import { answer } from "./answer.js";

const WRITE_BYTES_MAX = 4096;
const bytes = (text) => new TextEncoder().encode(text);

export const incomingHandler = {
  async handle(request, out) {
    const path = (request.pathWithQuery() ?? "/").split("?")[0];
    // What is given back when it has served is what lets this instance serve another call.
    request[Symbol.dispose]();
    const text = bytes(await answer(path));
    const response = new OutgoingResponse(Fields.fromList([["content-type", bytes("text/plain; charset=utf-8")]]));
    const body = response.body();
    ResponseOutparam.set(out, { tag: "ok", val: response });
    const stream = body.write();
    for (let start = 0; start < text.length; start += WRITE_BYTES_MAX) {
      stream.blockingWriteAndFlush(text.subarray(start, start + WRITE_BYTES_MAX));
    }
    stream[Symbol.dispose]();
    OutgoingBody.finish(body, undefined);
  },
};
