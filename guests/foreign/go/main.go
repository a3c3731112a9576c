// A service in Go, with its whole runtime: what its author wrote, and beneath it what a generator of bindings would have written.
package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"
)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-request.path-with-query
func pathOf(request int32, out unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]incoming-request
func dropRequest(request int32)

//go:wasmimport wasi:http/types@0.2.12 [constructor]fields
func newFields() int32

//go:wasmimport wasi:http/types@0.2.12 [constructor]outgoing-response
func newResponse(fields int32) int32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-response.body
func bodyOf(response int32, out unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-body.write
func streamOf(body int32, out unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [static]outgoing-body.finish
func finish(body int32, has int32, trailers int32, out unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [static]response-outparam.set
func answer(to int32, failed int32, response int32, a int32, b int64, c int32, d int32, e int32, f int32)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush
func writeAll(stream int32, text unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [resource-drop]output-stream
func dropStream(stream int32)

// What the host was given to write into, until it is read.
var given = map[uint32][]uint64{}

//go:wasmexport cabi_realloc
func realloc(old, had, align, wanted uint32) uint32 {
	words := make([]uint64, wanted/8+1)
	copy(words, given[old])
	delete(given, old)
	place := uint32(uintptr(unsafe.Pointer(&words[0])))
	given[place] = words
	return place
}

// Reads what the host has written, and gives its place up. To this language an address is eight bytes, to the host four.
func taken(place, bytes uint32) string {
	words, ok := given[place]
	if !ok {
		return ""
	}
	delete(given, place)
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(&words[0])), bytes))
}

// A result whose good side is a handle.
type handle struct {
	failed uint8
	value  int32
}

func (found *handle) expect() int32 {
	if found.failed != 0 {
		panic("the host gave no handle")
	}
	return found.value
}

//go:wasmexport wasi:http/incoming-handler@0.2.12#handle
func handleRequest(request int32, to int32) {
	var path struct {
		is    uint8
		place uint32
		bytes uint32
	}
	pathOf(request, unsafe.Pointer(&path))
	dropRequest(request)
	asked := taken(path.place, path.bytes)
	fmt.Fprintln(os.Stderr, "asked for", asked)

	response := newResponse(newFields())
	var found handle
	bodyOf(response, unsafe.Pointer(&found))
	body := found.expect()
	answer(to, 0, response, 0, 0, 0, 0, 0, 0)
	streamOf(body, unsafe.Pointer(&found))
	stream := found.expect()
	text := []byte(greet(asked))
	var done [8]uint64
	writeAll(stream, unsafe.Pointer(&text[0]), uint32(len(text)), unsafe.Pointer(&done))
	dropStream(stream)
	finish(body, 0, 0, unsafe.Pointer(&done))
}

// More than one goroutine and a good deal of garbage, so that the scheduler and the collector are at work.
func greet(path string) string {
	words := make([]string, 4)
	var all sync.WaitGroup
	for place, word := range []string{"Hello", "from", "Go,", "at " + path} {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 1000 {
				words[place] = strings.Repeat(word, 1)
			}
		}()
	}
	all.Wait()
	return strings.Join(words, " ") + "\n"
}

func main() {}
