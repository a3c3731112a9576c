//! The tests of `contract`: the mapping, its broken inputs, and the layer.

mod generated;
mod handed_on;
mod layer;
mod mapping;
