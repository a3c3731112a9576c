//! Values that cross a boundary: what a typed operation, or an operation of a capability, takes and gives. A type of our own, so that
//! nothing here knows an engine.

use bytes::Bytes;

/// A value of one of the [`Type`](crate::contract::Type)s. What a type names (a field, a case, a flag) is its place in the type here, so a
/// value means something only together with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// `u8`.
    U8(u8),
    /// `u16`.
    U16(u16),
    /// `u32`.
    U32(u32),
    /// `u64`.
    U64(u64),
    /// `s8`.
    S8(i8),
    /// `s16`.
    S16(i16),
    /// `s32`.
    S32(i32),
    /// `s64`.
    S64(i64),
    /// `f32`.
    F32(f32),
    /// `f64`.
    F64(f64),
    /// `char`.
    Char(char),
    /// `string`.
    Text(String),
    /// `list<u8>`, which is never a [`Self::List`].
    Bytes(Bytes),
    /// `list<T>` of any other `T`.
    List(Vec<Self>),
    /// A tuple's values, or a record's in the order of its fields.
    Many(Vec<Self>),
    /// A case of a variant or an enum, and what it carries.
    Case(u32, Option<Box<Self>>),
    /// `option<T>`.
    Option(Option<Box<Self>>),
    /// `result<T, E>`.
    Result(Result<Option<Box<Self>>, Option<Box<Self>>>),
    /// The flags that are set, in the order of the type.
    Flags(Vec<u32>),
}
