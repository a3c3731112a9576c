;; Grows three memories in turn, each of which would be within the limit by itself, and dies when it is refused.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $out))
  (core module $m
    (memory $a 1) (memory $b 1) (memory $c 1)
    (func (export "handle") (param i32 i32)
      (loop
        (if (i32.eq (memory.grow $a (i32.const 160)) (i32.const -1)) (then unreachable))
        (if (i32.eq (memory.grow $b (i32.const 160)) (i32.const -1)) (then unreachable))
        (if (i32.eq (memory.grow $c (i32.const 160)) (i32.const -1)) (then unreachable))
        (br 0))))
  (core instance $guest (instantiate $m))
  (func $handle (param "request" (own $request)) (param "response-out" (own $out))
    (canon lift (core func $guest "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
