;; A component that serves nothing: what it exports has no function that anybody could call.
(component
  (instance $empty)
  (export "acme:nothing/here@1.0.0" (instance $empty)))
