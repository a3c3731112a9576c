//! What is kept, by whom, and how much of it: against a map that counts.

use super::*;
use crate::db::Place;
use proptest::prelude::*;

struct World {
    _folder: tempfile::TempDir,
    database: Database,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let database = Database::open(Place::File(file)).await.unwrap();
    World {
        _folder: folder,
        database,
    }
}

const QUOTA: Quota = Quota {
    bytes: 1_000,
    keys: 10,
};

fn bucket(service: &str) -> Bucket {
    Bucket {
        service: service.to_owned(),
        name: "default".to_owned(),
    }
}

fn writer(call: &str, quota: Quota) -> Writer {
    Writer {
        bucket: bucket("notes"),
        quota,
        call: call.to_owned(),
        leases: Vec::new(),
    }
}

fn key(text: &str) -> Key {
    Key::parse(text.to_owned()).unwrap()
}

impl World {
    async fn set(&self, name: &str, value: &[u8]) -> Changed {
        let values = BTreeMap::from([(key(name), Some(value.to_vec()))]);
        change(&self.database, writer("c", QUOTA), values)
            .await
            .unwrap()
    }

    async fn delete(&self, name: &str) -> Changed {
        let values = BTreeMap::from([(key(name), None)]);
        change(&self.database, writer("c", QUOTA), values)
            .await
            .unwrap()
    }

    async fn value(&self, service: &str, name: &str) -> Option<Vec<u8>> {
        let got = get(&self.database, bucket(service), vec![key(name)]);
        match got.await.unwrap() {
            Got::Values(mut values) => values.remove(0),
            Got::TooLarge => panic!("one value is never too large"),
        }
    }

    async fn usage(&self) -> (u64, u64) {
        usage(&self.database, "notes".to_owned()).await.unwrap()
    }

    async fn adds(&self, name: &str, delta: i64) -> Added {
        let writer = writer("c", QUOTA);
        add(&self.database, writer, key(name), delta).await.unwrap()
    }

    async fn swaps(&self, call: &str, seen: Option<&str>, value: &[u8]) -> Swapped {
        let (writer, seen) = (writer(call, QUOTA), seen.map(str::to_owned));
        let swapped = swap(&self.database, writer, key("k"), seen, value.to_vec());
        swapped.await.unwrap()
    }
}

#[test]
fn a_key_is_visible_text_of_some_length() {
    for text in ["a", "a b", "ä/ö?", &"k".repeat(KEY_BYTES_MAX)] {
        assert_eq!(Key::parse(text.to_owned()).unwrap().as_str(), text);
    }
    assert_eq!(Key::parse(String::new()), Err(BadKey::Empty));
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    assert_eq!(Key::parse(long), Err(BadKey::Long(KEY_BYTES_MAX + 1)));
    for text in ["a\0", "a\nb", "\u{85}"] {
        assert_eq!(Key::parse(text.to_owned()), Err(BadKey::Control));
    }
}

#[tokio::test]
async fn a_service_sees_what_it_has_set_and_no_other_does() {
    let world = world().await;
    assert_eq!(world.set("k", b"mine").await, Changed::Yes);
    assert_eq!(
        world.value("notes", "k").await.as_deref(),
        Some(&b"mine"[..])
    );
    assert_eq!(world.value("other", "k").await, None);
    world.delete("k").await;
    assert_eq!(world.value("notes", "k").await, None);
    assert_eq!(world.usage().await, (0, 0));
}

#[tokio::test]
async fn both_halves_of_the_quota_bite_and_deleting_frees() {
    let world = world().await;
    for number in 0..10 {
        assert_eq!(world.set(&format!("k{number}"), b"v").await, Changed::Yes);
    }
    let Changed::Full(full) = world.set("one-more", b"v").await else {
        panic!("an eleventh key was kept");
    };
    assert_eq!((full.what, full.used, full.limit), (Measure::Keys, 10, 10));
    assert_eq!(world.value("notes", "one-more").await, None);
    world.delete("k0").await;
    let Changed::Full(full) = world.set("k0", &[0; 990]).await else {
        panic!("more bytes were kept than may be");
    };
    assert_eq!((full.what, full.used), (Measure::Bytes, 27));
    assert_eq!(world.set("k0", &[0; 1_000 - 27 - 2]).await, Changed::Yes);
    assert_eq!(world.usage().await, (1_000, 10));
}

#[tokio::test]
async fn who_keeps_more_than_a_lowered_quota_can_make_it_less() {
    let world = world().await;
    world.set("k", &[0; 500]).await;
    let small = Quota { bytes: 10, keys: 0 };
    let sets = |bytes: usize| {
        let values = BTreeMap::from([(key("k"), Some(vec![0; bytes]))]);
        change(&world.database, writer("c", small), values)
    };
    assert!(matches!(sets(501).await.unwrap(), Changed::Full(_)));
    assert_eq!(sets(400).await.unwrap(), Changed::Yes);
    assert_eq!(world.usage().await, (401, 1));
}

#[tokio::test]
async fn many_are_changed_together_or_not_at_all() {
    let world = world().await;
    world.set("gone", b"v").await;
    let many = |count: usize| {
        let sets = (0..count).map(|number| (key(&format!("k{number}")), Some(vec![1])));
        sets.chain([(key("gone"), None)]).collect()
    };
    let refused = change(&world.database, writer("c", QUOTA), many(11)).await;
    assert!(matches!(refused.unwrap(), Changed::Full(_)));
    assert_eq!(world.value("notes", "k0").await, None);
    assert!(world.value("notes", "gone").await.is_some());
    let made = change(&world.database, writer("c", QUOTA), many(10)).await;
    assert_eq!(made.unwrap(), Changed::Yes);
    assert_eq!(world.value("notes", "gone").await, None);
    assert_eq!(world.usage().await, (30, 10));
}

#[tokio::test]
async fn only_a_number_is_added_to_and_never_beyond_what_it_holds() {
    let world = world().await;
    assert_eq!(world.adds("n", 41).await, Added::To(41));
    assert_eq!(world.adds("n", -83).await, Added::To(-42));
    assert_eq!(
        world.value("notes", "n").await.as_deref(),
        Some(&b"-42"[..])
    );
    world.set("n", i64::MAX.to_string().as_bytes()).await;
    assert_eq!(world.adds("n", 1).await, Added::Beyond);
    world.set("n", b"forty-two").await;
    assert_eq!(world.adds("n", 1).await, Added::NoNumber);
    assert_eq!(
        world.value("notes", "n").await.as_deref(),
        Some(&b"forty-two"[..])
    );
}

#[tokio::test]
async fn who_swaps_what_somebody_has_changed_changes_nothing() {
    let world = world().await;
    assert_eq!(world.swaps("one", None, b"1").await, Swapped::Yes);
    let late = world.swaps("two", None, b"2").await;
    assert_eq!(late, Swapped::Other(Some("one".to_owned())));
    assert_eq!(world.swaps("two", Some("one"), b"2").await, Swapped::Yes);
    // The same value, written anew, is another one.
    assert_eq!(world.swaps("three", Some("two"), b"2").await, Swapped::Yes);
    let late = world.swaps("four", Some("two"), b"4").await;
    assert_eq!(late, Swapped::Other(Some("three".to_owned())));
    world.delete("k").await;
    let gone = world.swaps("four", Some("three"), b"4").await;
    assert_eq!(gone, Swapped::Other(None));
    let large = world.swaps("four", None, &[0; 1_000]).await;
    assert!(matches!(large, Swapped::Full(_)));
}

#[tokio::test]
async fn keys_come_in_pages_none_twice_and_none_left_out() {
    let world = world().await;
    let quota = Quota {
        bytes: 1 << 20,
        keys: 10_000,
    };
    let count = PAGE_KEYS_MAX * 2 + 1;
    let values: BTreeMap<_, _> = (0..count)
        .map(|number| (key(&format!("k{number}")), Some(Vec::new())))
        .collect();
    let expected: Vec<_> = values.keys().map(ToString::to_string).collect();
    let made = change(&world.database, writer("c", quota), values).await;
    assert_eq!(made.unwrap(), Changed::Yes);
    let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let next = page(&world.database, bucket("notes"), after.take()).await;
        let next = next.unwrap();
        all.extend(next.keys);
        pages += 1;
        match next.more_after {
            Some(key) => after = Some(key),
            None => break,
        }
    }
    assert_eq!((all, pages), (expected, 3));
    let none = page(&world.database, bucket("other"), None).await.unwrap();
    assert_eq!(none, Page::default());
}

#[tokio::test]
async fn what_is_read_together_has_a_limit() {
    let world = world().await;
    let quota = Quota {
        bytes: 64 << 20,
        keys: 10_000,
    };
    let keys: Vec<_> = (0..9).map(|number| key(&format!("k{number}"))).collect();
    let large = || Some(vec![7; VALUE_BYTES_MAX]);
    let values = keys.iter().map(|key| (key.clone(), large())).collect();
    change(&world.database, writer("c", quota), values)
        .await
        .unwrap();
    let all = get(&world.database, bucket("notes"), keys.clone()).await;
    assert_eq!(all.unwrap(), Got::TooLarge);
    let some = get(&world.database, bucket("notes"), keys[..8].to_vec()).await;
    assert!(matches!(some.unwrap(), Got::Values(values) if values.len() == 8));
}

/// What somebody does to keys.
#[derive(Clone, Debug)]
enum Act {
    Change(Vec<(u8, Option<u8>)>),
    Add(u8, i8),
}

fn act() -> impl Strategy<Value = Act> {
    let one = (0..6u8, proptest::option::of(0..120u8));
    prop_oneof![
        proptest::collection::vec(one, 1..4).prop_map(Act::Change),
        (0..6u8, any::<i8>()).prop_map(|(key, delta)| Act::Add(key, delta)),
    ]
}

const SMALL: Quota = Quota {
    bytes: 300,
    keys: 4,
};

/// Bytes and keys of a model.
fn sums(model: &BTreeMap<Key, Vec<u8>>) -> (u64, u64) {
    let bytes = model
        .iter()
        .map(|(key, value)| key.as_str().len() + value.len());
    (bytes.sum::<usize>() as u64, model.len() as u64)
}

/// What the model would be, and whether the quota allows it.
fn after(
    model: &BTreeMap<Key, Vec<u8>>,
    values: &BTreeMap<Key, Option<Vec<u8>>>,
) -> Option<BTreeMap<Key, Vec<u8>>> {
    let mut next = model.clone();
    for (key, value) in values {
        match value {
            Some(value) => drop(next.insert(key.clone(), value.clone())),
            None => drop(next.remove(key)),
        }
    }
    let (before, after) = (sums(model), sums(&next));
    let fits = |before, after, limit| after <= before || after <= limit;
    (fits(before.0, after.0, SMALL.bytes) && fits(before.1, after.1, SMALL.keys)).then_some(next)
}

async fn follow(acts: Vec<Act>) {
    let world = world().await;
    let mut model: BTreeMap<Key, Vec<u8>> = BTreeMap::new();
    let named = |number: u8| key(&format!("key-{number}"));
    for act in acts {
        let writer = writer("c", SMALL);
        match act {
            Act::Change(changes) => {
                let values: BTreeMap<_, _> = changes
                    .iter()
                    .map(|(number, size)| {
                        (named(*number), size.map(|size| vec![b'x'; size.into()]))
                    })
                    .collect();
                let next = after(&model, &values);
                let changed = change(&world.database, writer, values).await.unwrap();
                assert_eq!(changed == Changed::Yes, next.is_some());
                model = next.unwrap_or(model);
            }
            Act::Add(number, delta) => {
                let key = named(number);
                let there = model
                    .get(&key)
                    .map_or(Some(0), |value| super::number(value));
                let sum = there.map(|there| there + i64::from(delta));
                let values = sum
                    .map(|sum| BTreeMap::from([(key.clone(), Some(sum.to_string().into_bytes()))]));
                let next = values.and_then(|values| after(&model, &values));
                let added = add(&world.database, writer, key, delta.into())
                    .await
                    .unwrap();
                match (added, next) {
                    (Added::To(to), Some(next)) => {
                        assert_eq!(Some(to), sum);
                        model = next;
                    }
                    (Added::NoNumber, None) => assert_eq!(sum, None),
                    (Added::Full(_), None) => assert!(sum.is_some()),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(world.usage().await, sums(&model));
    }
    let keys = page(&world.database, bucket("notes"), None)
        .await
        .unwrap()
        .keys;
    let expected: Vec<_> = model.keys().map(ToString::to_string).collect();
    assert_eq!(keys, expected);
    for (key, value) in &model {
        assert_eq!(
            world.value("notes", key.as_str()).await.as_ref(),
            Some(value)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_it_is_what_a_map_with_that_quota_would_be(acts in proptest::collection::vec(act(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(acts));
    }
}
