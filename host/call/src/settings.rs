//! What each layer needs to know about one target: a small map from a layer's own settings type to its value.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

/// The settings of one target, put together once when it is loaded. A layer asks for its own type and knows no other.
#[derive(Clone, Default)]
pub struct Settings {
    values: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

impl Settings {
    /// The same settings with `value` in them; an earlier value of the same type is replaced.
    #[must_use]
    pub fn with<T: Any + Send + Sync>(mut self, value: T) -> Self {
        let id = TypeId::of::<T>();
        self.values.retain(|(held, _)| *held != id);
        self.values.push((id, Arc::new(value)));
        self
    }

    /// The value of type `T`. A dozen values at most, so a scan beats a hash.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        let id = TypeId::of::<T>();
        self.values
            .iter()
            .find(|(held, _)| *held == id)
            .and_then(|(_, value)| value.downcast_ref())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({} values)", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_type_and_the_last_one_wins() {
        let settings = Settings::default().with(1u8).with("word").with(2u8);
        assert_eq!(settings.get::<u8>(), Some(&2));
        assert_eq!(settings.get::<&str>(), Some(&"word"));
        assert_eq!(settings.get::<u64>(), None);
    }
}
