;; A core module, not a component: what a toolchain of another target makes.
(module (func (export "handle") (param i32 i32)))
