;; A component that serves nothing: it has no door that the gateway knows.
(component
  (core module $m (func (export "run")))
  (core instance $guest (instantiate $m))
  (func $run (canon lift (core func $guest "run")))
  (export "run" (func $run)))
