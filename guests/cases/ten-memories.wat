;; Ten memories of one page: more than the pool has room for, unless the policy asks for it.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $out))
  (core module $m
    (memory 1) (memory 1) (memory 1) (memory 1) (memory 1)
    (memory 1) (memory 1) (memory 1) (memory 1) (memory 1)
    (func (export "handle") (param i32 i32)))
  (core instance $guest (instantiate $m))
  (func $handle (param "request" (own $request)) (param "response-out" (own $out))
    (canon lift (core func $guest "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
