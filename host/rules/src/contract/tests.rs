//! The tests of `contract`: the mapping, its broken inputs, and the layer.

mod generated;
mod layer;
mod mapping;
