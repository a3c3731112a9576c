//! Keys and values, on a file and on a server: nothing is lost and nothing counted wrong, however many write at once, and on whichever host.

use holdfast_store::db::Database;
use holdfast_store::kv::{self, Added, Bucket, Changed, Got, Key, Measure, Quota, Swapped, Writer};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

both![
    two_hundred_and_fifty_six_additions_at_once_are_two_hundred_and_fifty_six,
    of_all_who_swap_the_same_value_one_does,
    the_quota_holds_however_many_come_at_once,
    many_are_set_together_or_not_at_all_and_counted_right,
    one_host_reads_what_the_other_has_set,
    keys_have_the_same_order_everywhere,
];

const QUOTA: Quota = Quota {
    bytes: 64 << 20,
    keys: 100_000,
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

async fn set(database: &Database, name: &str, value: &[u8], quota: Quota) -> Changed {
    loop {
        let values = BTreeMap::from([(key(name), Some(value.to_vec()))]);
        // Whoever is in too many others' way is told so, and asks again.
        match kv::change(database, writer(name, quota), values).await {
            Ok(changed) => return changed,
            Err(error) => assert!(error.to_string().contains("again"), "{error}"),
        }
    }
}

async fn value(database: &Database, service: &str, name: &str) -> Option<Vec<u8>> {
    match kv::get(database, bucket(service), vec![key(name)]).await {
        Ok(Got::Values(mut values)) => values.remove(0),
        other => panic!("{other:?}"),
    }
}

async fn usage(database: &Database) -> (u64, u64) {
    kv::usage(database, "notes".to_owned()).await.unwrap()
}

async fn two_hundred_and_fifty_six_additions_at_once_are_two_hundred_and_fifty_six(
    one: &Database,
    other: &Database,
) {
    let mut asked = JoinSet::new();
    for number in 0..256 {
        let database = [one, other][number % 2].clone();
        asked.spawn(async move {
            loop {
                let writer = writer(&format!("call-{number}"), QUOTA);
                match kv::add(&database, writer, key("n"), 1).await {
                    Ok(Added::To(sum)) => return sum,
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => assert!(error.to_string().contains("again"), "{error}"),
                }
            }
        });
    }
    let mut sums = asked.join_all().await;
    sums.sort_unstable();
    assert_eq!(sums, (1..=256).collect::<Vec<_>>());
    assert_eq!(value(one, "notes", "n").await.as_deref(), Some(&b"256"[..]));
    assert_eq!(usage(other).await, (4, 1));
}

async fn of_all_who_swap_the_same_value_one_does(one: &Database, other: &Database) {
    set(one, "k", b"before", QUOTA).await;
    let mut asked = JoinSet::new();
    for number in 0..32 {
        let database = [one, other][number % 2].clone();
        asked.spawn(async move {
            loop {
                let call = format!("call-{number}");
                let seen = Some("k".to_owned());
                let swapped = kv::swap(
                    &database,
                    writer(&call, QUOTA),
                    key("k"),
                    seen,
                    call.clone().into_bytes(),
                );
                match swapped.await {
                    Ok(swapped) => return (call, swapped),
                    Err(error) => assert!(error.to_string().contains("again"), "{error}"),
                }
            }
        });
    }
    let all = asked.join_all().await;
    let mut done = all.iter().filter(|(_, swapped)| *swapped == Swapped::Yes);
    let (winner, _) = done.next().expect("one who was first");
    assert_eq!(done.next(), None);
    let now = value(other, "notes", "k").await.unwrap();
    assert_eq!(&String::from_utf8(now).unwrap(), winner);
    for (_, swapped) in all.iter().filter(|(call, _)| call != winner) {
        assert_eq!(swapped, &Swapped::Other(Some(winner.clone())));
    }
}

async fn the_quota_holds_however_many_come_at_once(one: &Database, other: &Database) {
    let ten = Quota {
        bytes: 1_000,
        keys: 10,
    };
    let mut asked = JoinSet::new();
    for number in 0..64 {
        let database = [one, other][number % 2].clone();
        asked.spawn(async move { set(&database, &format!("k{number:02}"), b"v", ten).await });
    }
    let all = asked.join_all().await;
    let kept = all.iter().filter(|changed| **changed == Changed::Yes);
    assert_eq!(kept.count(), 10);
    for changed in all {
        if let Changed::Full(full) = changed {
            assert_eq!(full.what, Measure::Keys);
        }
    }
    let page = kv::page(one, bucket("notes"), None).await.unwrap();
    assert_eq!((page.keys.len(), usage(other).await), (10, (40, 10)));
}

async fn many_are_set_together_or_not_at_all_and_counted_right(one: &Database, other: &Database) {
    let sets = |database: &Database, from: usize, value: &'static [u8]| {
        let values =
            (from..from + 8).map(|number| (key(&format!("k{number}")), Some(value.to_vec())));
        let (database, values) = (database.clone(), values.collect::<BTreeMap<_, _>>());
        async move {
            loop {
                let (writer, values) = (writer("many", QUOTA), values.clone());
                match kv::change(&database, writer, values).await {
                    Ok(changed) => return changed,
                    Err(error) => assert!(error.to_string().contains("again"), "{error}"),
                }
            }
        }
    };
    let mut asked = JoinSet::new();
    for round in 0..16 {
        let database = [one, other][round % 2];
        let value: &[u8] = if round % 2 == 0 { b"even" } else { b"odd" };
        asked.spawn(sets(database, 0, value));
    }
    let all = asked.join_all().await;
    assert!(all.iter().all(|changed| *changed == Changed::Yes));
    let keys = (0..8).map(|number| key(&format!("k{number}"))).collect();
    let Ok(Got::Values(values)) = kv::get(one, bucket("notes"), keys).await else {
        panic!("they are small");
    };
    assert!(
        values
            .iter()
            .all(|value| *value == values[0] && value.is_some())
    );
    let length = values[0].as_ref().unwrap().len() as u64;
    assert_eq!(usage(other).await, (8 * (2 + length), 8));
}

async fn one_host_reads_what_the_other_has_set(one: &Database, other: &Database) {
    let large = vec![0xff; kv::VALUE_BYTES_MAX];
    set(one, "k", &large, QUOTA).await;
    assert_eq!(value(other, "notes", "k").await, Some(large));
    assert_eq!(value(other, "else", "k").await, None);
    let empty = set(other, "k", b"", QUOTA).await;
    assert_eq!(empty, Changed::Yes);
    assert_eq!(value(one, "notes", "k").await, Some(Vec::new()));
    assert_eq!(usage(one).await, (1, 1));
}

async fn keys_have_the_same_order_everywhere(one: &Database, other: &Database) {
    for name in ["b", "a", "B", "ä", "a b", "a-b", "Z", "10", "9"] {
        set(one, name, b"v", QUOTA).await;
    }
    let page = kv::page(other, bucket("notes"), None).await.unwrap();
    assert_eq!(
        page.keys,
        ["10", "9", "B", "Z", "a", "a b", "a-b", "b", "ä"]
    );
    let rest = kv::page(other, bucket("notes"), Some("a b".to_owned())).await;
    assert_eq!(rest.unwrap().keys, ["a-b", "b", "ä"]);
}
