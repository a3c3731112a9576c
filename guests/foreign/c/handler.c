// A service in C, on the C library of WASI: what its author wrote, and beneath it what a generator of bindings would have written.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define TYPES "wasi:http/types@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"

IMPORT(TYPES, "[method]incoming-request.path-with-query") extern void path_of(int32_t request, void *out);
IMPORT(TYPES, "[resource-drop]incoming-request") extern void drop_request(int32_t request);
IMPORT(TYPES, "[constructor]fields") extern int32_t new_fields(void);
IMPORT(TYPES, "[constructor]outgoing-response") extern int32_t new_response(int32_t fields);
IMPORT(TYPES, "[method]outgoing-response.body") extern void body_of(int32_t response, void *out);
IMPORT(TYPES, "[method]outgoing-body.write") extern void stream_of(int32_t body, void *out);
IMPORT(TYPES, "[static]outgoing-body.finish") extern void finish(int32_t body, int32_t has, int32_t trailers, void *out);
IMPORT(TYPES, "[static]response-outparam.set")
extern void answer(int32_t to, int32_t failed, int32_t response, int32_t, int64_t, int32_t, int32_t, int32_t, int32_t);
IMPORT(STREAMS, "[method]output-stream.blocking-write-and-flush")
extern void write_all(int32_t stream, const char *text, size_t length, void *out);
IMPORT(STREAMS, "[resource-drop]output-stream") extern void drop_stream(int32_t stream);

struct text {
    uint8_t is;
    char *bytes;
    size_t length;
};

struct handle {
    uint8_t failed;
    int32_t value;
};

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t had, size_t align, size_t wanted) {
    (void)had;
    (void)align;
    void *bytes = realloc(old, wanted);
    if (bytes == NULL && wanted > 0) abort();
    return bytes;
}

static int32_t expect(struct handle handle) {
    if (handle.failed) abort();
    return handle.value;
}

__attribute__((export_name("wasi:http/incoming-handler@0.2.12#handle"))) void handle(int32_t request, int32_t to) {
    struct text path = {0};
    path_of(request, &path);
    drop_request(request);
    char text[256];
    int length = snprintf(text, sizeof text, "Hello from C, at %.*s\n", (int)path.length, path.bytes);
    fprintf(stderr, "asked for %.*s\n", (int)path.length, path.bytes);

    int32_t response = new_response(new_fields());
    struct handle found;
    body_of(response, &found);
    int32_t body = expect(found);
    answer(to, 0, response, 0, 0, 0, 0, 0, 0);
    stream_of(body, &found);
    int32_t stream = expect(found);
    int64_t done[8] = {0};
    write_all(stream, text, (size_t)length, done);
    drop_stream(stream);
    finish(body, 0, 0, done);
    free(path.bytes);
}
