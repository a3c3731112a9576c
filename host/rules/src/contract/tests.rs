//! The tests of `contract`: the mapping, its broken inputs, the layer, and what is told of all that.

mod described;
mod generated;
mod handed_on;
mod layer;
mod mapping;
mod queries;
mod schemas;
